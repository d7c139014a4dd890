// A picture of a part of an environment: what the canvas draws, what its table twin lists, and what the tests look at.
import Graph from 'graphology';
import type { Drawable, Look, Sign, Tone } from '../drawing';
import { arrange } from './place';
import { nameOf, outlineOfType, signOfLevel } from './text';
import type { ChangeKind, ChangesAnswer, DiffKinds, Level, Link, OverviewAnswer, PictureAnswer, Position, Stale } from './types';

export interface PictureRow {
  id: string;
  type: string;
  label: string;
  status: Level;
  stale: Stale | null;
  host: string | null;
  tenant: string | null;
  /** Objects in it, itself included; 1 for a single object. */
  objects: number;
  counts: Record<string, number>;
  closed: boolean;
  change: ChangeKind | null;
  x: number;
  y: number;
  size: number;
}

interface PictureEdge {
  type: string;
  status: Level;
  count: number;
  change: ChangeKind | null;
}

const SIZE = 6;
/** Up to so many nodes each is named; of more, the supernodes. */
const NAMED = 80;

type Draft = Omit<PictureRow, 'x' | 'y' | 'size'> & { position: Position | null };

export class Picture implements Drawable {
  readonly graph = new Graph<PictureRow, PictureEdge>({ type: 'undirected', multi: true });
  version = $state(0);
  /** The version of the environment that is drawn. */
  of = $state<number | null>(null);
  truncated = $state(false);
  /** What it is a picture of: another one gets a frame of its own, the same one read again keeps it. */
  frame = $state('');
  private marked = false;

  /** A small picture is read as a whole, whatever is selected in it. */
  get fades(): boolean {
    return this.graph.order > NAMED;
  }

  look(id: string): Look {
    const { type, status, stale, change } = this.graph.getNodeAttributes(id);
    const sign: Sign = this.marked ? (change ?? 'same') : signOfLevel(status, stale !== null);
    return { outline: outlineOfType(type), sign, major: false, below: this.graph.order <= NAMED || this.graph.getNodeAttribute(id, 'objects') > 1 };
  }

  tone(link: string): Tone {
    const { status, change } = this.graph.getEdgeAttributes(link);
    if (this.marked) return change === 'moved' ? 'changed' : (change ?? 'plain');
    return status === 'error' || status === 'warning' ? status : 'plain';
  }

  row(id: string): PictureRow | null {
    return this.graph.hasNode(id) ? this.graph.getNodeAttributes(id) : null;
  }

  rows(): PictureRow[] {
    return this.graph.mapNodes((_, row) => row);
  }

  clear(): void {
    this.graph.clear();
    this.version++;
  }

  /** Objects and their links. */
  show(frame: string, answer: PictureAnswer): void {
    this.begin(frame, false, answer.version ?? null, answer.truncated ?? false);
    this.draw(answer.nodes.map((node) => ({ ...single(node), position: node.position })), answer.links);
  }

  /** Objects with what is in them, counted. */
  overview(frame: string, answer: OverviewAnswer): void {
    this.begin(frame, false, answer.version, false);
    const drafts = answer.nodes.map((node) => ({
      id: node.key, type: node.type, label: nameOf(node), status: node.status, host: null, tenant: null, counts: node.counts, closed: node.closed, change: null,
      stale: node.stale > 0 && node.stale === total(node.counts) ? { since: '', reason: 'everything in it is stale' } : null,
      objects: total(node.counts), position: node.position,
    }));
    const links = answer.links.map((link) => ({ ...link, type: Object.keys(link.counts).join(', '), count: total(link.counts) }));
    this.place(drafts);
    for (const { source, target, type, status, count } of links) this.join(source, target, { type, status, count, change: null });
    this.version++;
  }

  /** What changed between two versions: objects by themselves, or counted in the one above them. */
  changes(frame: string, answer: ChangesAnswer): void {
    this.begin(frame, true, answer.after, false);
    this.place(
      answer.nodes.map((node) => ({
        id: node.key, type: node.type, label: nameOf(node), status: node.status, stale: null, host: null, tenant: null, closed: node.closed,
        objects: Math.max(1, total(node.changes)), counts: node.changes, change: node.own ?? mainly(node.changes), position: node.position,
      })),
    );
    for (const { source, target, counts, changes } of answer.links) {
      const all = total(counts) === total(changes) ? mainly(changes) : total(changes) ? 'changed' : null;
      this.join(source, target, { type: Object.keys(counts).join(', '), status: 'unknown', count: total(counts), change: all });
    }
    this.version++;
  }

  private begin(frame: string, marked: boolean, of: number | null, truncated: boolean): void {
    this.graph.clear();
    this.frame = frame;
    this.marked = marked;
    this.of = of;
    this.truncated = truncated;
  }

  private draw(drafts: Draft[], links: Link[]): void {
    this.place(drafts);
    for (const { source, target, type, status } of links) this.join(source, target, { type, status, count: 1, change: null });
    this.version++;
  }

  private place(drafts: Draft[]): void {
    const spots = arrange(new Map(drafts.map(({ id, position }) => [id, position])));
    for (const { position: _, ...row } of drafts) {
      const { x, y } = spots.get(row.id)!;
      const size = Math.min(16, SIZE + 1.6 * Math.log2(Math.max(1, row.objects))) * (drafts.length > 500 ? 0.6 : 1);
      this.graph.mergeNode(row.id, { ...row, x, y, size });
    }
  }

  private join(source: string, target: string, edge: PictureEdge): void {
    if (this.graph.hasNode(source) && this.graph.hasNode(target) && source !== target) this.graph.addEdge(source, target, edge);
  }
}

const total = (counts: Partial<Record<string, number>>): number => Object.values(counts).reduce<number>((sum, n) => sum + (n ?? 0), 0);
/** The one kind of change there is; of several, that things changed. */
const mainly = (changes: DiffKinds): ChangeKind | null => {
  const kinds = Object.keys(changes) as ChangeKind[];
  return kinds.length > 1 ? 'changed' : (kinds[0] ?? null);
};
const single = (node: PictureAnswer['nodes'][number]): Omit<Draft, 'position'> => ({
  id: node.key, type: node.type, label: nameOf(node), status: node.status, stale: node.stale, host: node.host, tenant: node.tenant, objects: 1, counts: { [node.type]: 1 }, closed: false, change: null,
});
