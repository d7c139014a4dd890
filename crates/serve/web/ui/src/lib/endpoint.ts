// What the reader typed as one end of a trace: an IP address stays one, anything else is found by search.
import { ApiError, get } from './api';
import type { SearchResult } from './types';

const ADDRESS = /^[0-9.]+$|^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*$/i;
const MAC = /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const isUuid = (text: string): boolean => UUID.test(text);

/** The port's id or, where one may stand, the address. Throws an ApiError that says why it is neither. */
export async function endpoint(text: string, addresses: boolean): Promise<string> {
  const q = text.trim();
  if (UUID.test(q) || (addresses && ADDRESS.test(q) && !MAC.test(q))) return q;
  const { results } = await get<{ results: SearchResult[] }>('/search', { q, limit: 50 });
  const ports = results.filter(({ kind }) => kind === 'port');
  const exact = ports.filter(({ label, matched }) => matched !== 'name' || label === q);
  const found = exact.length ? exact : ports;
  if (found.length === 1) return found[0]!.id;
  const what = found.length ? `${found.length} ports match “${q}”` : `No port matches “${q}”`;
  throw new ApiError(422, 'Ambiguous', `${what}: choose one from the list, or give its id.`);
}
