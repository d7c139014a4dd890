// One question to the API and its latest answer. A newer question ends the older one; the old answer stays until the new one comes.
import { asApiError, get, type ApiError, type Query } from './api';

export class Asked<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  loading = $state(false);
  private abort = new AbortController();

  async ask(path: string, query: Query = {}): Promise<T | null> {
    this.abort.abort();
    const { signal } = (this.abort = new AbortController());
    this.loading = true;
    try {
      const value = await get<T>(path, query, signal);
      if (signal.aborted) return null;
      this.value = value;
      this.error = null;
      this.loading = false;
      return value;
    } catch (cause) {
      if (signal.aborted) return null;
      this.error = asApiError(cause);
      this.value = null;
      this.loading = false;
      return null;
    }
  }

  clear(): void {
    this.abort.abort();
    this.value = null;
    this.error = null;
    this.loading = false;
  }
}
