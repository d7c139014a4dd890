// Walking the map with the arrow keys.

export type Direction = 'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown';
export interface Spot {
  id: string;
  x: number;
  y: number;
}

const AXIS: Record<Direction, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

export const isDirection = (key: string): key is Direction => key in AXIS;

/** The nearest spot within 60 degrees of the direction; sideways distance counts double. y grows upwards. */
export function nearest(from: Spot, direction: Direction, spots: Iterable<Spot>): string | undefined {
  const [ax, ay] = AXIS[direction];
  let best: string | undefined;
  let least = Infinity;
  for (const { id, x, y } of spots) {
    if (id === from.id) continue;
    const [dx, dy] = [x - from.x, y - from.y];
    const along = dx * ax + dy * ay;
    const aside = Math.abs(dx * ay - dy * ax);
    if (along <= 0 || aside > along * Math.sqrt(3)) continue;
    const cost = along + 2 * aside;
    if (cost < least) [best, least] = [id, cost];
  }
  return best;
}
