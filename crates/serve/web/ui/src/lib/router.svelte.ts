// The page and its state, kept in the part of the URL after '#', so that a link reproduces what its sender saw.
// "#/ports/ID?state=DOWN" is { path: ['ports', 'ID'], query: { state: 'DOWN' } }.

export type RouteQuery = Record<string, string>;

function parse(hash: string): { path: string[]; query: RouteQuery } {
  const text = hash.replace(/^#\/?/, '');
  const cut = text.indexOf('?');
  const path = (cut < 0 ? text : text.slice(0, cut)).split('/').filter(Boolean).map(decode);
  const query = Object.fromEntries(new URLSearchParams(cut < 0 ? '' : text.slice(cut + 1)));
  return { path, query };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // a hand-made URL with a lone '%': shown as it is, found by nobody
  }
}

export function href(path: string[], query: Record<string, string | null | undefined> = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value) params.set(key, value);
  const text = params.toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

class Router {
  path = $state<string[]>([]);
  query = $state<RouteQuery>({});
  /** Asked before the page changes, with where it would go; false keeps the page. */
  leave: ((target: string) => boolean) | null = null;

  constructor() {
    this.read();
    addEventListener('hashchange', () => this.changed());
  }

  go(target: string): void {
    location.hash = target;
  }

  /** Changes some of the query in place; Back leaves the page and does not step through every letter of a filter. */
  patch(change: Record<string, string | null | undefined>): void {
    history.replaceState(null, '', href(this.path, { ...this.query, ...change }));
    this.read();
  }

  private changed(): void {
    const target = location.hash;
    const away = parse(target).path.join('/') !== this.path.join('/');
    if (away && this.leave && !this.leave(target)) history.replaceState(null, '', href(this.path, this.query));
    else this.read();
  }

  private read(): void {
    const { path, query } = parse(location.hash);
    if (path.join('/') !== this.path.join('/')) this.path = path;
    this.query = query;
  }
}

export const router = new Router();
