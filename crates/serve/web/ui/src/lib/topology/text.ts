// How the things of an environment are named, drawn and addressed: the same in tree, pictures, tables and links.
import type { Outline, Sign } from '../drawing';
import { href } from '../router.svelte';
import type { Brief, ChangeKind, Level, Ref, ScanState, Severity } from './types';

const OUTLINES: [Outline, string[]][] = [
  ['square', ['host', 'host_ref', 'host_pnic', 'bond', 'network_agent', 'namespace']],
  ['hexagon', ['network', 'subnet', 'router']],
  ['diamond', ['vconnector', 'vedge', 'otep']],
  ['triangle', ['switch', 'switch_pnic']],
  ['octagon', ['region', 'availability_zone', 'aggregate', 'project', 'server_group', 'zone', 'cluster']],
];
const BY_TYPE = new Map(OUTLINES.flatMap(([outline, types]) => types.map((type) => [type, outline] as const)));
/** Workloads and their interfaces are circles, and whatever is declared that is not known here. */
export const outlineOfType = (type: string): Outline => BY_TYPE.get(type) ?? 'circle';

export const FAMILIES: { outline: Outline; text: string }[] = [
  { outline: 'circle', text: 'Workloads, interfaces' },
  { outline: 'diamond', text: 'Bridges, tunnels' },
  { outline: 'square', text: 'Hosts, NICs' },
  { outline: 'triangle', text: 'Switches' },
  { outline: 'hexagon', text: 'Networks' },
  { outline: 'octagon', text: 'Regions, zones, projects' },
];

const WORDS: Record<string, string> = {
  vnic: 'vNIC', vconnector: 'vConnector', vedge: 'vEdge', vservice: 'vService', otep: 'Tunnel endpoint', host_pnic: 'Host NIC', switch_pnic: 'Switch port', host_ref: 'Host reference',
};
/** "Availability zone" of availability_zone; the API's labels are in the declarations, which pages need not wait for. */
export function typeName(type: string): string {
  if (WORDS[type]) return WORDS[type];
  const text = type.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "vNIC to vConnector" of vnic-vconnector. */
export const linkName = (type: string): string => type.split('-').map(typeName).join(' – ');

export const LEVELS: { level: Level; text: string; means: string }[] = [
  { level: 'ok', text: 'Healthy', means: 'A check or a report says that it is well' },
  { level: 'warning', text: 'Warning', means: 'Something is not as it should be' },
  { level: 'error', text: 'Failed', means: 'It, or what it stands on, does not work' },
  { level: 'unknown', text: 'Not checked', means: 'Nobody reported on it: not the same as healthy' },
];
export const levelText = (level: Level): string => LEVELS.find((known) => known.level === level)?.text ?? level;

/** Good news about what is no longer vouched for is not shown as good. */
export function signOfLevel(level: Level, stale: boolean): Sign {
  if (level === 'error') return 'error';
  if (level === 'warning') return 'build';
  if (stale) return 'stale';
  return level === 'ok' ? 'active' : 'down';
}

export const SEVERITIES: Severity[] = ['critical', 'error', 'warning', 'info', 'debug'];
export const SEVERITY_SIGN: Record<Severity, Sign> = { critical: 'error', error: 'error', warning: 'build', info: 'active', debug: 'down' };
export const severityName = (severity: Severity): string => severity.charAt(0).toUpperCase() + severity.slice(1);

export const CHANGES: { kind: ChangeKind; text: string }[] = [
  { kind: 'added', text: 'Added' },
  { kind: 'removed', text: 'Removed' },
  { kind: 'moved', text: 'Moved' },
  { kind: 'changed', text: 'Changed' },
];
export const changeText = (kind: ChangeKind): string => CHANGES.find((known) => known.kind === kind)?.text ?? kind;

export const SCAN_STATES: Record<ScanState, { text: string; sign: Sign }> = {
  pending: { text: 'Waiting', sign: 'down' },
  running: { text: 'Running', sign: 'build' },
  completed: { text: 'Done', sign: 'active' },
  completed_with_errors: { text: 'Done, with faults', sign: 'build' },
  failed: { text: 'Failed', sign: 'error' },
  cancelled: { text: 'Cancelled', sign: 'stale' },
};
export const hasEnded = (state: ScanState): boolean => state !== 'pending' && state !== 'running';

export const keyOf = ({ type, id }: Ref): string => `${type}/${id}`;
export const refOf = (key: string): Ref => {
  const cut = key.indexOf('/');
  return { type: key.slice(0, cut), id: key.slice(cut + 1) };
};
/** What to call an object known only by its key. */
export const shortKey = (key: string): string => `${typeName(refOf(key).type)} ${refOf(key).id}`;

/** Keys in one parameter of the page's address; ids may hold commas. */
export const joinKeys = (keys: readonly string[]): string => keys.map((key) => key.replace(/[%,]/g, encodeURIComponent)).join(',');
export const splitKeys = (text: string | undefined): string[] => (text ?? '').split(',').filter(Boolean).map((key) => key.replace(/%2C|%25/g, decodeURIComponent));

export const nameOf = (object: Pick<Brief, 'name' | 'id'>): string => object.name || object.id;

export const api = (environment: string, path = ''): string => `/topology/environments/${encodeURIComponent(environment)}${path}`;

export type Tab = 'map' | 'objects' | 'path' | 'impact' | 'history' | 'compare' | 'messages' | 'scans' | 'reports' | 'settings';

/** A page of an environment; the map is its first. */
export const tabHref = (environment: string, tab: Tab, query: Record<string, string | null | undefined> = {}): string =>
  href(['environments', environment, ...(tab === 'map' ? [] : [tab])], query);

/** An attribute's value as text: lists and maps as JSON. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return value.join(', ');
  return JSON.stringify(value);
}
