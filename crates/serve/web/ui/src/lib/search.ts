// Searches, each in the form the search box shows.
import { get } from './api';
import type { Outline, Sign } from './drawing';
import { KINDS } from './format';
import { outlineOf } from './graph.svelte';
import type { Kind, SearchResult } from './types';

export interface Found {
  key: string;
  label: string;
  detail: string;
  /** What it is, and by what it was found. */
  note: string;
  outline: Outline;
  sign?: Sign;
}

export type Finder<T extends Found> = (q: string, signal: AbortSignal) => Promise<T[]>;

export interface CloudFound extends Found {
  kind: Kind;
  id: string;
}

/** Search of Netwright's own cloud; of one kind, if it is given. */
export const cloudSearch =
  (kind?: Kind): Finder<CloudFound> =>
  async (q, signal) => {
    const { results } = await get<{ results: SearchResult[] }>('/search', { q, limit: kind ? 50 : 12 }, signal);
    return results
      .filter((result) => !kind || result.kind === kind)
      .map((result) => ({
        kind: result.kind,
        id: result.id,
        key: result.kind + result.id,
        label: result.label || result.id,
        detail: result.detail,
        note: (KINDS[result.kind]?.one ?? result.kind) + (result.matched === 'name' ? '' : ` · by ${result.matched}`),
        outline: outlineOf(result.kind),
      }));
  };
