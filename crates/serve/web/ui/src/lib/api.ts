// Requests to /netwright/v1. Every failure becomes one ApiError that says what happened and what to do about it.
import { session } from './session.svelte';

export const BASE = '/netwright/v1';

/** A list is a parameter that is repeated. */
export type Query = Record<string, string | number | boolean | null | undefined | readonly string[]>;

export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly type: string,
    message: string,
  ) {
    super(message);
  }

  /** What the reader can do next. */
  get advice(): string {
    if (this.status === 0) return 'Check that netwright is running and that this machine reaches it. The console retries by itself.';
    if (this.status === 401) return 'Enter a token that is valid now: openstack token issue.';
    if (this.status === 403) return 'Use a token of a user with the role admin, or have the right granted.';
    if (this.status === 404) return 'It may have been deleted since. Search for it by name or address.';
    if (this.status === 409) return 'Choose another name, or wait until what is under way has ended.';
    if (this.status === 502) return 'Test the connection in the environment’s settings.';
    if (this.status >= 500) return 'The controller’s log has the reason: journalctl -u netwright.';
    return 'Change the request as the message says.';
  }
}

export function url(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value as string[]) params.append(key, one);
    else if (value !== null && value !== undefined && value !== '') params.set(key, String(value));
  }
  const text = params.toString();
  return BASE + path + (text ? `?${text}` : '');
}

/** The answer, or an ApiError. Aborting rejects with the signal's own AbortError. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: { ...session.headers(), ...init.headers } });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(0, 'Unreachable', 'The controller does not answer.');
  }
  if (response.ok) return response;
  if (response.status === 401) session.needed = true;
  throw await refusal(response);
}

async function refusal(response: Response): Promise<ApiError> {
  const fallback = `The controller answered ${response.status} ${response.statusText}`.trim() + '.';
  try {
    const { error } = await response.json();
    return new ApiError(response.status, error?.type ?? '', error?.message ?? fallback);
  } catch {
    return new ApiError(response.status, '', fallback);
  }
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { headers: { Accept: 'application/json' } };
  if (signal) init.signal = signal;
  const response = await request(url(path, query), init);
  return (await response.json()) as T;
}

/** Sends a change; null when the answer has no body. */
export async function send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, query: Query = {}): Promise<T> {
  const init: RequestInit = { method, headers: { Accept: 'application/json' } };
  if (body !== undefined) Object.assign(init, { body: JSON.stringify(body), headers: { Accept: 'application/json', 'Content-Type': 'application/json' } });
  const response = await request(url(path, query), init);
  return (response.status === 204 ? null : await response.json()) as T;
}

export function asApiError(cause: unknown): ApiError {
  if (cause instanceof ApiError) return cause;
  return new ApiError(-1, 'Unexpected', cause instanceof Error ? cause.message : String(cause));
}
