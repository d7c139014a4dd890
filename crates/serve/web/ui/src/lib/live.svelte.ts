// The one connection to the controller's event stream: it resumes after a break, tells listeners each event in order,
// and says plainly whether what is on screen is current. It holds no objects: lists and the map keep their own.
import { ApiError, get, request, url } from './api';
import { coalesce } from './coalesce';
import { readEvents, type ServerEvent } from './sse';
import type { Change, LiveEvent, Summary } from './types';

export type Connection = 'connecting' | 'live' | 'reconnecting' | 'refused';
export interface Happened extends Change {
  at: Date;
}

const RECENT = 100;
const MAX_WAIT_MS = 10_000;
/** After this long without a word the connection is checked: a broken TCP path says nothing by itself. */
const SILENCE_MS = 20_000;

class Live {
  connection = $state<Connection>('connecting');
  /** When the present connection state began. */
  since = $state(new Date());
  /** The newest store revision heard of. */
  revision = $state(0);
  /** Rises when everything must be read again: after a reset, or a new token. */
  generation = $state(0);
  summary = $state<Summary | null>(null);
  recent = $state.raw<Happened[]>([]);

  private listeners = new Set<(event: LiveEvent) => void>();
  private abort = new AbortController();
  /** The revision when this page began to listen. */
  private opened = 0;
  /** Where the stream is to go on: the id of the last event that had one. */
  private position = '';
  private wake = () => {};
  private heard = 0;
  private readonly readSummary = coalesce(async () => {
    try {
      this.summary = await get<Summary>('/summary');
      this.revision = Math.max(this.revision, this.summary.revision);
    } catch {
      // The stream's own state says that the controller cannot be reached.
    }
  }, 1000);

  listen(listener: (event: LiveEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Connects and stays connected until the page goes away. */
  start(): void {
    setInterval(() => this.watchSilence(), 5000);
    addEventListener('online', () => this.reconnect());
    void this.run();
  }

  /** Has everything read again over a new connection, after a token was entered. */
  restart(): void {
    this.position = '';
    this.generation++;
    if (this.connection === 'refused') void this.run();
    else this.reconnect();
  }

  private reconnect(): void {
    this.abort.abort();
    this.wake();
  }

  private async run(): Promise<void> {
    this.become('connecting');
    for (let attempt = 0; ; attempt++) {
      this.abort = new AbortController();
      try {
        await this.follow(() => (attempt = 0));
      } catch (cause) {
        const refused = cause instanceof ApiError && (cause.status === 401 || cause.status === 403);
        if (refused) return this.become('refused'); // restart() goes on from here
      }
      this.become('reconnecting');
      const wait = Math.min(MAX_WAIT_MS, 250 * 2 ** attempt) * (0.75 + Math.random() / 2);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, wait);
      });
    }
  }

  /** One connection, from the first request until it ends. */
  private async follow(connected: () => void): Promise<void> {
    const signal = this.abort.signal;
    if (this.position === '') {
      this.summary = await get<Summary>('/summary', {}, signal);
      this.revision = this.summary.revision;
      this.opened = this.revision;
      this.position = String(this.revision);
    }
    const headers = { Accept: 'text/event-stream', 'Last-Event-ID': this.position };
    const response = await request(url('/events'), { headers, signal, cache: 'no-store' });
    this.heard = performance.now();
    for await (const event of readEvents(response)) {
      this.heard = performance.now();
      if (this.connection !== 'live') {
        this.become('live');
        connected();
        this.readSummary();
      }
      this.take(event);
    }
  }

  private take(event: ServerEvent): void {
    const data = JSON.parse(event.data);
    if (event.id) this.position = event.id;
    switch (event.type) {
      case 'change':
        this.record(data);
        this.revision = Math.max(this.revision, data.revision);
        this.tell({ type: 'change', change: data });
        break;
      case 'host':
        this.tell({ type: 'host', host: data });
        break;
      case 'counters':
        this.tell({ type: 'counters', ports: data.ports });
        break;
      case 'reset':
        this.revision = data.revision;
        this.generation++;
        break;
      default: // hello, and what a newer server may add
        return;
    }
    this.readSummary();
  }

  /** Remembers a change, unless it is one told again after a break or from before this page. */
  private record(change: Change): void {
    const told = this.recent.some(({ revision, table, id }) => revision === change.revision && table === change.table && id === change.id);
    if (told || change.revision <= this.opened) return;
    this.recent = [{ ...change, at: new Date() }, ...this.recent.slice(0, RECENT - 1)];
  }

  private tell(event: LiveEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  private become(connection: Connection): void {
    if (this.connection === connection) return;
    this.connection = connection;
    this.since = new Date();
  }

  private async watchSilence(): Promise<void> {
    if (this.connection !== 'live' || performance.now() - this.heard < SILENCE_MS) return;
    try {
      const signal = AbortSignal.timeout(5000);
      const { revision } = await get<Summary>('/summary', {}, signal);
      this.heard = performance.now();
      if (revision > this.revision) this.abort.abort(); // changes were made and not told: the stream is dead
    } catch {
      this.abort.abort();
    }
  }
}

export const live = new Live();
