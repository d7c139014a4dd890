// The hosts: few enough to hold them all. Kept current by the event stream, used by every page that names a host.
import { asApiError, get, type ApiError } from './api';
import { coalesce } from './coalesce';
import { live } from './live.svelte';
import type { Host } from './types';

class Hosts {
  all = $state.raw<Host[]>([]);
  loading = $state(true);
  error = $state<ApiError | null>(null);

  readonly read = coalesce(async () => {
    try {
      this.all = (await get<{ hosts: Host[] }>('/hosts')).hosts;
      this.error = null;
    } catch (cause) {
      this.error = asApiError(cause);
    }
    this.loading = false;
  }, 1000);

  constructor() {
    live.listen((event) => {
      if (event.type === 'host') this.put(event.host);
      // A port that came, went or moved changes its hosts' count and target revision.
      else if (event.type === 'change') this.read();
    });
  }

  /** By id or by name: links carry the id, ports the name. */
  find(key: string | null | undefined): Host | undefined {
    return this.all.find((host) => host.id === key || host.name === key);
  }

  private put(host: Host): void {
    const known = this.all.some(({ id }) => id === host.id);
    this.all = known ? this.all.map((old) => (old.id === host.id ? host : old)) : [...this.all, host];
  }
}

export const hosts = new Hosts();
