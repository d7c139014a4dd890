// A long list read page by page while it is scrolled, and started over when its filter or the environment changes.
import { asApiError, get, type ApiError, type Query } from '../api';

export interface PageOf<T> {
  rows: T[];
  next: string | number | null;
  total: number;
}

const PAGE = 200;

export class Paged<T> {
  rows = $state.raw<T[]>([]);
  total = $state(0);
  loading = $state(true);
  error = $state.raw<ApiError | null>(null);
  private next: string | number | null = null;
  private abort = new AbortController();
  private busy = false;
  private path = '';
  private query: Query = {};

  constructor(
    /** The member of the answer that holds the rows, and the parameter that takes `next`. */
    private readonly member: string,
    private readonly cursor: string,
  ) {}

  get complete(): boolean {
    return this.next === null;
  }

  /** Reads from the start; as many as are here already, so that a refresh keeps the reader's place. */
  async load(path: string, query: Query): Promise<void> {
    const same = path === this.path && JSON.stringify(query) === JSON.stringify(this.query);
    [this.path, this.query] = [path, query];
    this.loading = !same;
    this.next = null;
    await this.read(Math.min(1000, same ? Math.max(PAGE, this.rows.length) : PAGE), true);
  }

  retry = (): void => void this.load(this.path, this.query);

  more = async (): Promise<void> => {
    if (!this.busy && this.next !== null) await this.read(PAGE, false);
  };

  close(): void {
    this.abort.abort();
  }

  private async read(limit: number, fresh: boolean): Promise<void> {
    if (fresh) this.abort.abort();
    const { signal } = fresh ? (this.abort = new AbortController()) : this.abort;
    this.busy = true;
    try {
      const answer = await get<Record<string, unknown>>(this.path, { ...this.query, limit, [this.cursor]: fresh ? null : this.next }, signal);
      if (signal.aborted) return;
      const rows = answer[this.member] as T[];
      this.rows = fresh ? rows : [...this.rows, ...rows];
      this.next = (answer.next as string | number | null) ?? null;
      this.total = answer.total as number;
      this.error = null;
    } catch (cause) {
      if (signal.aborted) return;
      this.error = asApiError(cause);
      if (fresh) this.rows = [];
    }
    this.busy = false;
    this.loading = false;
  }
}
