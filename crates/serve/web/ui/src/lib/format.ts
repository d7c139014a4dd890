// How things are written: the same everywhere in the console.
import type { Kind } from './types';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export const count = (n: number): string => whole.format(n);

/** "1 port", "2 ports", "1,204 ports". */
export const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? '' : 's'}`;

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${one.format(n)} ${units[unit]}`;
}

/** Packets per second, short: 950, 1.2 k, 3 M. */
export function rate(n: number): string {
  if (n >= 1e6) return `${one.format(n / 1e6)} M`;
  if (n >= 1e4) return `${one.format(n / 1e3)} k`;
  return one.format(n);
}

/** "now", "12 s", "5 min", "3 h", "9 d". Never negative, whatever the clocks say. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

export const utc = (time: Date | string): string =>
  new Date(time).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC');

/** What to call an object that may have no name. */
export const named = (object: { id: string; name: string }): string => object.name || object.id.slice(0, 8);

export const KINDS: Record<Kind, { one: string; many: string; path: string }> = {
  host: { one: 'Host', many: 'Hosts', path: 'hosts' },
  network: { one: 'Network', many: 'Networks', path: 'networks' },
  port: { one: 'Port', many: 'Ports', path: 'ports' },
};
