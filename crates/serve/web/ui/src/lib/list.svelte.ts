// A list of ports or networks that stays current: read page by page, then kept by the event stream. A change to a row
// that is shown is applied at once; what the server alone can decide (does it match the text filter?) is asked again,
// at most once a second. Never holds more than CAP rows: beyond that the reader must filter.
import { asApiError, get, type ApiError, type Query } from './api';
import { coalesce } from './coalesce';
import type { Change, LiveEvent, Network, Port, Table } from './types';

const PAGE = 500;
export const CAP = 5000;
/** Events come in bursts; rows are replaced once for all that came within a frame or two. */
const FLUSH_MS = 50;

interface Page<T> {
  rows: T[];
  next: string | null;
  total: number;
}

export interface ListSource<T> {
  table: Table;
  read(query: Query, signal: AbortSignal): Promise<Page<T>>;
  /** Whether a row belongs to the list, or null when only the server can tell. */
  matches(row: T, query: Query): boolean | null;
  /** Whether a change elsewhere alters rows of this list that the event does not bring. */
  concerns?(change: Change): boolean;
}

type Row = { id: string; name: string };

export class LiveList<T extends Row> {
  rows = $state.raw<T[]>([]);
  total = $state(0);
  /** The first page has not come yet. */
  loading = $state(true);
  error = $state<ApiError | null>(null);
  private next: string | null = null;
  private query: Query = {};
  private abort = new AbortController();
  /** Answers on their way. What the stream tells meanwhile may be missing in them: it is put in afterwards. */
  private reading = 0;
  private pending = new Map<string, Change>();
  private counters = new Map<string, number>();
  private readonly flush = coalesce(() => this.apply(), FLUSH_MS);
  private readonly reread = coalesce(() => this.read(Math.max(PAGE, this.rows.length)), 1000);

  constructor(private readonly source: ListSource<T>) {}

  /** One page holds it: it may be put in any order at once. A longer list keeps the server's while it is read. */
  get short(): boolean {
    return this.total <= PAGE;
  }

  get complete(): boolean {
    return this.next === null || this.rows.length >= CAP;
  }

  /** Starts over with another filter. */
  async load(query: Query): Promise<void> {
    this.query = query;
    this.loading = true;
    await this.read(PAGE);
  }

  retry = (): void => void this.load(this.query);

  /** Reads the next page, if there is one and none is on its way. */
  async more(): Promise<void> {
    if (this.reading || this.complete) return;
    this.reading++;
    try {
      const signal = this.abort.signal;
      const page = await this.source.read({ ...this.query, limit: PAGE, marker: this.next }, signal);
      if (signal.aborted) return;
      const known = new Set(this.rows.map((row) => row.id));
      this.rows = [...this.rows, ...page.rows.filter((row) => !known.has(row.id))];
      this.next = page.next;
      this.total = page.total;
    } catch (cause) {
      if (!this.abort.signal.aborted) this.error = asApiError(cause);
    } finally {
      this.reading--;
      this.flush();
    }
  }

  take(event: LiveEvent): void {
    if (event.type === 'counters') {
      for (const port of event.ports) this.counters.set(port.id, port.drops);
      this.flush();
    } else if (event.type === 'change') {
      const { table, id, op } = event.change;
      if (this.source.concerns?.(event.change)) this.reread();
      if (table !== this.source.table) return;
      const created = op === 'create' || (op === 'update' && this.pending.get(id)?.op === 'create');
      this.pending.set(id, created ? { ...event.change, op: 'create' } : event.change);
      this.counters.delete(id); // the change is newer
      this.flush();
    }
  }

  close(): void {
    this.abort.abort();
    this.flush.cancel();
    this.reread.cancel();
  }

  private async read(limit: number): Promise<void> {
    this.abort.abort();
    const { signal } = (this.abort = new AbortController());
    this.reading++;
    try {
      const page = await this.source.read({ ...this.query, limit: Math.min(1000, limit) }, signal);
      if (signal.aborted) return;
      this.rows = page.rows;
      this.next = page.next;
      this.total = page.total;
      this.error = null;
      this.loading = false;
    } catch (cause) {
      if (signal.aborted) return;
      this.error = asApiError(cause);
      this.loading = false;
    } finally {
      this.reading--;
      this.flush();
    }
  }

  /** Puts what the stream told since the last time into the rows. */
  private apply(): void {
    if (this.reading || (!this.pending.size && !this.counters.size)) return;
    const { pending, counters } = this;
    this.pending = new Map();
    this.counters = new Map();
    const rows: T[] = [];
    for (const row of this.rows) {
      const change = pending.get(row.id);
      pending.delete(row.id);
      const now = change ? (change.object as T | null) : row;
      if (now && (!change || this.belongs(now))) rows.push(counted(now, counters.get(row.id)));
      else this.total--;
    }
    for (const { id, op, object } of pending.values()) {
      const row = object as T | null;
      if (op !== 'create' && !this.complete) this.unseen(op);
      else if (row && this.belongs(row)) {
        rows.push(counted(row, counters.get(id)));
        this.total++;
      }
    }
    this.rows = rows.sort(inServerOrder);
  }

  /** A row changed that is not shown. It may be on a page not read yet, or have entered or left the list. */
  private unseen(op: Change['op']): void {
    if (op === 'delete' || Object.values(this.query).some(Boolean)) this.reread();
  }

  private belongs(row: T): boolean {
    const matches = this.source.matches(row, this.query);
    if (matches === null) this.reread();
    return matches ?? this.rows.some((known) => known.id === row.id);
  }
}

/** By name, then id, both by code point: as the API orders its lists. */
function inServerOrder(a: Row, b: Row): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

function counted<T extends Row>(row: T, drops: number | undefined): T {
  return drops === undefined || !('drops' in row) || row.drops === drops ? row : { ...row, drops };
}

export const portSource: ListSource<Port> = {
  table: 'ports',
  async read(query, signal) {
    const { ports, next, total } = await get<{ ports: Port[]; next: string | null; total: number }>('/ports', query, signal);
    return { rows: ports, next, total };
  },
  matches(port, { q, host, network, state }) {
    if (host && port.host !== host) return false;
    if (network && port.network_id !== network) return false;
    if (state && port.state !== state) return false;
    return q ? null : true;
  },
};

export const networkSource: ListSource<Network> = {
  table: 'networks',
  async read(query, signal) {
    const answer = await get<{ networks: Network[]; next: string | null; total: number }>('/networks', query, signal);
    return { rows: answer.networks, next: answer.next, total: answer.total };
  },
  matches: (_network, { q }) => (q ? null : true),
  // Its subnets and the number of its ports are part of a network's row.
  concerns: ({ table, op }) => table === 'subnets' || (table === 'ports' && op !== 'update'),
};
