// The shortcuts: one list, from which both the handler and the help page are made.

export interface Shortcut {
  keys: string;
  does: string;
}

export const GO: Record<string, { path: string; name: string }> = {
  m: { path: '#/map', name: 'Map' },
  h: { path: '#/hosts', name: 'Hosts' },
  n: { path: '#/networks', name: 'Networks' },
  p: { path: '#/ports', name: 'Ports' },
  t: { path: '#/trace', name: 'Trace' },
  e: { path: '#/environments', name: 'Environments' },
};

export const SHORTCUTS: Record<string, Shortcut[]> = {
  Everywhere: [
    { keys: '/', does: 'Search by name, id, MAC or IP address' },
    ...Object.entries(GO).map(([key, { name }]) => ({ keys: `g ${key}`, does: `Go to ${name}` })),
    { keys: '?', does: 'This help' },
    { keys: 'Esc', does: 'Close, or clear the selection' },
  ],
  'On a picture': [
    { keys: '← ↑ → ↓', does: 'Select the nearest object in that direction' },
    { keys: 'Enter', does: 'Open what is selected' },
    { keys: '+ −', does: 'Zoom in and out' },
    { keys: '0', does: 'Show everything' },
    { keys: 'v', does: 'Change between picture and table' },
  ],
  'In an environment': [
    { keys: '1 2 … 8', does: 'Its pages: map, objects, path, impact, history, compare, messages, scans' },
    { keys: '[ ]', does: 'The version before and after' },
    { keys: '← →', does: 'In the tree: close and open; on the timeline: earlier and later' },
  ],
  'In a table': [
    { keys: '↑ ↓  or  k j', does: 'Previous and next row' },
    { keys: 'PgUp PgDn Home End', does: 'A page; the first and last row' },
    { keys: 'Enter', does: 'Open the row' },
  ],
};

const GO_MS = 1500;

/** True while the reader is typing text, when letters mean themselves. */
export function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Calls back for the shortcuts that work everywhere. Returns the function that stops it. */
export function watchKeys(on: { search(): void; help(): void; go(path: string): void }): () => void {
  let armed = 0;
  function handle(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event)) return;
    if (document.querySelector('dialog[open]')) return;
    const go = event.timeStamp < armed ? GO[event.key] : undefined;
    armed = event.key === 'g' ? event.timeStamp + GO_MS : 0;
    if (go) on.go(go.path);
    else if (event.key === '/') on.search();
    else if (event.key === '?') on.help();
    else return;
    event.preventDefault();
  }
  addEventListener('keydown', handle);
  return () => removeEventListener('keydown', handle);
}
