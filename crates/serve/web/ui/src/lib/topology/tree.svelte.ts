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
  opens: boolean;
  open: boolean;
  loading: boolean;
}

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
      const rows = await this.under(id, place);
      const next = rows.find((row) => {
        const start = `/${row.folder ? row.folder.id : row.object.id}`;
        return rest === start || rest.startsWith(`${start}/`);
      });
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
    const asked = get<{ rows: TreeRow[] }>(api(this.environment, '/tree'), { key, folders: folders.join(','), at: this.at }).then(
      ({ rows }) => {
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

  private flatten(): void {
    if (this.closed) return;
    const out: Branch[] = [];
    const walk = (id: string, level: number): void => {
      const rows = this.read.get(id) ?? [];
      rows.forEach((row, i) => {
        const rowId = idOf(row);
        const open = this.open.has(rowId);
        const opens = row.folder ? true : row.object.children > 0;
        out.push({ id: rowId, level, nth: i + 1, of: rows.length, folder: row.folder ?? null, object: row.object ?? null, opens, open: open && opens, loading: open && !this.read.has(rowId) });
        if (open) walk(rowId, level + 1);
      });
    };
    walk(ROOT, 1);
    this.rows = out;
  }
}
