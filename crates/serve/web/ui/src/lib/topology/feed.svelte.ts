// The map's event stream, followed while a page of environments is open. It tells listeners what happened and says plainly when it is not
// current; after a break everything is read again, because the stream does not resume.
import { ApiError, request, url } from '../api';
import { readEvents, type ServerEvent } from '../sse';
import type { MapEvent, Scan } from './types';

const MAX_WAIT_MS = 10_000;

class Feed {
  state = $state<'idle' | 'connecting' | 'live' | 'broken'>('idle');
  /** Rises when everything must be read again. */
  generation = $state(0);
  /** The newest version told, by environment. */
  versions = $state<Record<string, number>>({});
  private listeners = new Set<(event: MapEvent) => void>();
  private readers = 0;
  private abort = new AbortController();

  /** Keeps the stream open until the returned function is called. */
  follow(): () => void {
    if (this.readers++ === 0) void this.run();
    return () => {
      if (--this.readers === 0) {
        this.abort.abort();
        this.state = 'idle';
      }
    };
  }

  listen(listener: (event: MapEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async run(): Promise<void> {
    const { signal } = (this.abort = new AbortController());
    this.state = 'connecting';
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const response = await request(url('/topology/events'), { headers: { Accept: 'text/event-stream' }, signal, cache: 'no-store' });
        for await (const event of readEvents(response)) {
          if (signal.aborted) return;
          attempt = 0;
          this.take(event);
        }
      } catch (cause) {
        if (signal.aborted) return;
        // A refusal is shown by the page's own requests; it ends when the token does.
        if (cause instanceof ApiError && cause.status === 401) attempt = Math.max(attempt, 3);
      }
      if (signal.aborted) return;
      this.state = 'broken';
      await new Promise((resolve) => setTimeout(resolve, Math.min(MAX_WAIT_MS, 250 * 2 ** attempt) * (0.75 + Math.random() / 2)));
    }
  }

  private take({ type, data }: ServerEvent): void {
    const told = JSON.parse(data);
    if (type === 'hello') {
      if (this.state === 'broken') this.generation++;
      this.state = 'live';
      this.versions = told.versions ?? {};
    } else if (type === 'version') {
      this.versions = { ...this.versions, [told.environment]: told.version };
      this.tell({ type, ...told });
    } else if (type === 'messages') this.tell({ type, ...told });
    else if (type === 'scan') this.tell({ type, scan: told as Scan });
  }

  private tell(event: MapEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

export const feed = new Feed();
