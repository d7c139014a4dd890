// The tree of an environment, read as it is opened: only the rows under open places are here, and only those in view are drawn.
import { asApiError, get, type ApiError } from '../api';
import { api } from './text';
import type { Brief, TreeFolder, TreeRow } from './types';

export interface Branch {
  /** The folder's id or the object's key. */
  id: string;
  /** 1 at the top. */
  level: number;
  /** Its place among its siblings, from 1, and how many they are. */
  nth: number;
  of: number;
  folder: TreeFolder | null;
  object: (Brief & { children: number }) | null;
  /** Not an object: the place of this id has more, which is read when this comes into view. */
  rest: { under: string; place: { key: string | null; folders: string[] } } | null;
  opens: boolean;
  open: boolean;
  loading: boolean;
}

interface TreePage {
  rows: TreeRow[];
  next: string | null;
  total: number;
}
/** Rows under a place that are read at once. */
const PAGE = 500;

interface Place {
  key: string | null;
  folders: string[];
}
const ROOT = '';
const placeOf = ({ folder, object }: Pick<TreeRow, 'folder' | 'object'>): Place =>
  folder ? { key: folder.key, folders: folder.folders } : { key: object!.key, folders: [] };
const idOf = ({ folder, object }: Pick<TreeRow, 'folder' | 'object'>): string => (folder ? `folder ${folder.id}` : object!.key);

/** What was read of one state of the environment. */
class Shelf {
  readonly rows = new Map<string, TreeRow[]>();
  readonly more = new Map<string, { next: string | null; total: number }>();
  readonly reading = new Map<string, Promise<TreeRow[]>>();
  /** Something of it could not be read. */
  broken = false;
}

export class Tree {
  rows = $state.raw<Branch[]>([]);
  error = $state.raw<ApiError | null>(null);
  private open = new Set<string>([ROOT]);
  private shelf = new Shelf();
  /** What is read to take its place. */
  private fresh = this.shelf;
  private closed = false;

  constructor(
    private readonly environment: string,
    private readonly at: string | undefined,
  ) {}

  close(): void {
    this.closed = true;
  }

  start = async (): Promise<void> => {
    await this.under(ROOT, { key: null, folders: [] });
    this.flatten();
  };

  /** Reads again what is open, after the environment changed. What was open stays so, as far as it was read, and is shown until all of it is here. */
  refresh = async (): Promise<void> => {
    const fresh = (this.fresh = new Shelf());
    const again = async (id: string, place: Place): Promise<void> => {
      await this.under(id, place, fresh);
      const far = this.shelf.rows.get(id)?.length ?? 0;
      while ((fresh.rows.get(id)?.length ?? 0) < far && (await this.next(id, place, fresh)).length);
      const rows = fresh.rows.get(id) ?? [];
      await Promise.all(rows.filter((row) => this.open.has(idOf(row))).map((row) => again(idOf(row), placeOf(row))));
    };
    // Until nothing was opened meanwhile.
    for (let before = -1; before !== fresh.rows.size; ) {
      before = fresh.rows.size;
      await again(ROOT, { key: null, folders: [] });
    }
    if (this.fresh !== fresh) return;
    if (!fresh.broken) this.shelf = fresh;
    this.flatten();
  };

  async toggle(branch: Branch): Promise<void> {
    if (this.open.delete(branch.id)) return this.flatten();
    if (!branch.opens) return;
    this.open.add(branch.id);
    this.flatten();
    await this.under(branch.id, placeOf({ folder: branch.folder ?? undefined, object: branch.object ?? undefined } as TreeRow));
    this.flatten();
  }

  /** Opens the way to an object. Returns the keys of the objects above it, from the top, and its own; empty if it is not in the tree. */
  async reveal(idPath: string): Promise<string[]> {
    const above: string[] = [];
    let place: Place = { key: null, folders: [] };
    let id = ROOT;
    // The first part is the environment itself. Ids may hold slashes: rows are matched against the rest, not its pieces.
    let rest = idPath.slice(1 + this.environment.length);
    while (rest) {
      this.open.add(id);
      const onTheWay = (row: TreeRow): boolean => {
        const start = `/${row.folder ? row.folder.id : row.object.id}`;
        return rest === start || rest.startsWith(`${start}/`);
      };
      let next = (await this.under(id, place)).find(onTheWay);
      while (!next && this.shelf.more.get(id)?.next) {
        const rows = await this.next(id, place);
        next = rows.find(onTheWay);
        if (!rows.length) break;
      }
      if (!next) return [];
      if (next.object) above.push(next.object.key);
      rest = rest.slice(1 + (next.folder ? next.folder.id : next.object.id).length);
      [id, place] = [idOf(next), placeOf(next)];
    }
    this.flatten();
    return above;
  }

  /** Reads and shows the next rows under a place. */
  async readMore({ under, place }: NonNullable<Branch['rest']>): Promise<void> {
    await this.next(under, place);
    this.flatten();
  }

  private async under(id: string, place: Place, shelf = this.shelf): Promise<TreeRow[]> {
    return shelf.rows.get(id) ?? this.page(id, place, null, shelf);
  }

  private async next(id: string, place: Place, shelf = this.shelf): Promise<TreeRow[]> {
    const cursor = shelf.more.get(id)?.next;
    return cursor ? this.page(id, place, cursor, shelf) : [];
  }

  /** Reads a page under a place once, however many ask for it. Nothing if it could not be read. */
  private page(id: string, { key, folders }: Place, cursor: string | null, shelf: Shelf): Promise<TreeRow[]> {
    const name = `${id} ${cursor ?? ''}`;
    const known = shelf.reading.get(name);
    if (known) return known;
    const read = async (): Promise<TreeRow[]> => {
      try {
        const { rows, next, total } = await get<TreePage>(api(this.environment, '/tree'), { key, folder: folders, at: this.at, limit: PAGE, cursor });
        shelf.more.set(id, { next, total });
        shelf.rows.set(id, [...(shelf.rows.get(id) ?? []), ...rows]);
        this.error = null;
        return rows;
      } catch (cause) {
        this.error = asApiError(cause);
        shelf.broken = true;
        if (!cursor) this.open.delete(id);
        return [];
      } finally {
        shelf.reading.delete(name);
      }
    };
    const asked = read();
    shelf.reading.set(name, asked);
    return asked;
  }

  private flatten(): void {
    if (this.closed) return;
    const out: Branch[] = [];
    const walk = (id: string, level: number, place: Place): void => {
      const rows = this.shelf.rows.get(id) ?? [];
      const { next, total } = this.shelf.more.get(id) ?? { next: null, total: rows.length };
      rows.forEach((row, i) => {
        const rowId = idOf(row);
        const open = this.open.has(rowId);
        const opens = row.folder ? true : row.object.children > 0;
        out.push({ id: rowId, level, nth: i + 1, of: total, folder: row.folder ?? null, object: row.object ?? null, rest: null, opens, open: open && opens, loading: open && !this.shelf.rows.has(rowId) });
        if (open) walk(rowId, level + 1, placeOf(row));
      });
      if (next) out.push({ id: `rest ${id} ${rows.length}`, level, nth: rows.length + 1, of: total, folder: null, object: null, rest: { under: id, place }, opens: false, open: false, loading: true });
    };
    walk(ROOT, 1, { key: null, folders: [] });
    this.rows = out;
  }
}
