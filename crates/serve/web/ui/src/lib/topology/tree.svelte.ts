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

export class Tree {
  rows = $state.raw<Branch[]>([]);
  error = $state.raw<ApiError | null>(null);
  private open = new Set<string>([ROOT]);
  private read = new Map<string, TreeRow[]>();
  private reading = new Map<string, Promise<TreeRow[]>>();
  private more = new Map<string, { next: string | null; total: number }>();
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

  /** Reads again what is open, after the environment changed; what was open stays so. */
  refresh = async (): Promise<void> => {
    const old = this.read;
    this.read = new Map();
    const again = async (id: string, place: Place): Promise<void> => {
      const rows = await this.under(id, place);
      await Promise.all(rows.filter((row) => this.open.has(idOf(row))).map((row) => again(idOf(row), placeOf(row))));
    };
    await again(ROOT, { key: null, folders: [] });
    if (this.error) this.read = old;
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
      while (!next && this.more.get(id)?.next) {
        const rows = await this.readMore({ under: id, place });
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

  private async under(id: string, { key, folders }: Place): Promise<TreeRow[]> {
    const known = this.read.get(id) ?? this.reading.get(id);
    if (known) return known;
    const asked = get<TreePage>(api(this.environment, '/tree'), { key, folder: folders, at: this.at, limit: PAGE }).then(
      ({ rows, next, total }) => {
        this.more.set(id, { next, total });
        this.error = null;
        this.read.set(id, rows);
        return rows;
      },
      (cause) => {
        this.error = asApiError(cause);
        this.open.delete(id);
        return [] as TreeRow[];
      },
    );
    this.reading.set(id, asked);
    const rows = await asked;
    this.reading.delete(id);
    return rows;
  }

  /** Reads the next rows under a place. */
  async readMore({ under, place }: NonNullable<Branch['rest']>): Promise<TreeRow[]> {
    const cursor = this.more.get(under)?.next;
    const key = `${under} ${cursor}`;
    if (!cursor || this.reading.has(key)) return [];
    const asked = get<TreePage>(api(this.environment, '/tree'), { key: place.key, folder: place.folders, at: this.at, limit: PAGE, cursor }).then(
      ({ rows, next, total }) => {
        this.more.set(under, { next, total });
        this.read.set(under, [...(this.read.get(under) ?? []), ...rows]);
        return rows;
      },
      (cause) => ((this.error = asApiError(cause)), [] as TreeRow[]),
    );
    this.reading.set(key, asked);
    const rows = await asked;
    this.reading.delete(key);
    this.flatten();
    return rows;
  }

  private flatten(): void {
    if (this.closed) return;
    const out: Branch[] = [];
    const walk = (id: string, level: number, place: Place): void => {
      const rows = this.read.get(id) ?? [];
      const { next, total } = this.more.get(id) ?? { next: null, total: rows.length };
      rows.forEach((row, i) => {
        const rowId = idOf(row);
        const open = this.open.has(rowId);
        const opens = row.folder ? true : row.object.children > 0;
        out.push({ id: rowId, level, nth: i + 1, of: total, folder: row.folder ?? null, object: row.object ?? null, rest: null, opens, open: open && opens, loading: open && !this.read.has(rowId) });
        if (open) walk(rowId, level + 1, placeOf(row));
      });
      if (next) out.push({ id: `rest ${id} ${rows.length}`, level, nth: rows.length + 1, of: total, folder: null, object: null, rest: { under: id, place }, opens: false, open: false, loading: true });
    };
    walk(ROOT, 1, { key: null, folders: [] });
    this.rows = out;
  }
}
