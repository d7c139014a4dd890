// What a picture is made of: shapes, signs and their names. Pictures of the cloud and of environments are drawn by the same canvas from this.
import type Graph from 'graphology';

/** The outline says what kind of thing it is. */
export type Outline = 'circle' | 'square' | 'hexagon' | 'diamond' | 'triangle' | 'octagon';
/** The filling and colour say how it is, or what became of it between two versions. */
export type Sign = 'active' | 'build' | 'down' | 'error' | 'stale' | 'added' | 'removed' | 'moved' | 'changed' | 'same';

export interface Look {
  outline: Outline;
  sign: Sign;
  /** Its name comes before those of the others, and always has room. */
  major: boolean;
  /** The name goes below, not beside. */
  below: boolean;
}

export type Tone = 'plain' | 'warning' | 'error' | 'added' | 'removed' | 'changed';

export interface Placed {
  label: string;
  x: number;
  y: number;
  size: number;
}

/** A graph that can be drawn. */
export interface Drawable {
  readonly graph: Graph;
  /** Rises with every change. */
  readonly version: number;
  /** Whether what is not next to the selection steps back. */
  readonly fades: boolean;
  look(id: string): Look;
  tone(link: string): Tone;
}

/** The fillings the canvas and the signs in text know: solid; a ring; a ring around a dot; solid inside a ring; a broken ring. */
export const FILLING: Record<Sign, 0 | 1 | 2 | 3 | 4> = {
  active: 0, down: 1, build: 2, error: 3, stale: 4, added: 0, removed: 1, moved: 2, changed: 3, same: 0,
};

/** The colour token of each sign. */
export const INK: Record<Sign, string> = {
  active: '--ok', down: '--down', build: '--warn', error: '--error', stale: '--down',
  added: '--ok', removed: '--error', moved: '--accent', changed: '--warn', same: '--faded',
};

/** The outline as an SVG path around (8, 8). */
export function outlinePath(outline: Outline, r: number): string {
  if (outline === 'circle') return `M${8 - r} 8a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
  const corners = CORNERS[outline].map(([x, y]) => `${round(8 + x * r)} ${round(8 + y * r)}`);
  return `M${corners.join('L')}z`;
}

const round = (n: number): number => Math.round(n * 100) / 100;
const cut = 0.42;
const CORNERS: Record<Exclude<Outline, 'circle'>, [number, number][]> = {
  square: [[-1, -1], [1, -1], [1, 1], [-1, 1]],
  hexagon: [[-1.1, 0], [-0.55, -1], [0.55, -1], [1.1, 0], [0.55, 1], [-0.55, 1]],
  diamond: [[0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]],
  triangle: [[0, -1.1], [1.15, 0.9], [-1.15, 0.9]],
  octagon: [[-cut, -1], [cut, -1], [1, -cut], [1, cut], [cut, 1], [-cut, 1], [-1, cut], [-1, -cut]],
};
