// From the server's slots to a picture. The server says in which layer and slot an object is, and keeps it there from version to version;
// here the layers are only drawn as columns or as rows, whichever fits a wide window, and empty rows are left out.
import type { Position } from './types';

/** Rows between the starts of two layers, as the server numbers them. */
const BAND = 32;
/** Between layers, in units of the distance within one. */
const GAP = 1.5;
/** Width to height of the frame a picture is drawn for. */
const WIDE = 1.3;

export interface Spot {
  x: number;
  y: number;
}

/** Where each goes; y grows upwards. Those without a slot come last, in a layer of their own. */
export function arrange(slots: Map<string, Position | null>): Map<string, Spot> {
  const layers = new Map<number, { key: string; slot: number; row: number }[]>();
  let strays = 0;
  for (const [key, position] of slots) {
    const layer = position ? Math.floor(position.y / BAND) : Infinity;
    const row = position ? position.y - layer * BAND : 0;
    const list = layers.get(layer) ?? layers.set(layer, []).get(layer)!;
    list.push({ key, slot: position ? position.x : strays++, row });
  }
  const ordered = [...layers].sort(([a], [b]) => a - b);
  let along = 0;
  let across = 1;
  const flat = new Map<string, { along: number; across: number }>();
  for (const [, list] of ordered) {
    const rows = [...new Set(list.map(({ row }) => row))].sort((a, b) => a - b);
    const rank = new Map(rows.map((row, i) => [row, i]));
    const taken = new Set<string>();
    for (const { key, slot, row } of list) {
      // Two pictures laid over each other may each have put something here.
      let free = slot;
      while (taken.has(`${row} ${free}`)) free++;
      taken.add(`${row} ${free}`);
      flat.set(key, { along: along + rank.get(row)!, across: free });
      across = Math.max(across, free + 1);
    }
    along += rows.length - 1 + GAP;
  }
  const columns = along >= across;
  const [width, height] = columns ? [along, across] : [across, along];
  // The narrower side is drawn wider apart, so that the picture fills its frame: within reason, or two nodes would be far apart.
  const stretch = Math.min(4, Math.max(0.25, width / Math.max(1, height) / WIDE));
  const out = new Map<string, Spot>();
  for (const [key, at] of flat) {
    const [x, y] = columns ? [at.along, at.across] : [at.across, at.along];
    out.set(key, { x, y: -y * stretch });
  }
  return out;
}
