// The map's model: the graph as the server laid it out, kept current by the event stream. States and deletions are
// applied from the events; whatever may need a position is read again. The canvas, the table twin and the tests all
// look at this one model.
import Graph from 'graphology';
import { asApiError, get, type ApiError } from './api';
import { coalesce } from './coalesce';
import type { Drawable, Look, Outline, Placed, Sign, Tone } from './drawing';
import type { GraphDocument, GraphNode, Host, Kind, LiveEvent, Network, Port } from './types';

export type NodeState = GraphNode['state'];
const OUTLINES = { port: 'circle', host: 'square', network: 'hexagon' } as const;
export const outlineOf = (kind: Kind): Outline => OUTLINES[kind];

/** A host that is down takes its ports with it: it is shown as a failure. A network or port that is down was told to be. */
export function signOf(kind: Kind, state: string): Sign {
  const lower = state.toLowerCase();
  if (lower === 'up') return 'active';
  if (lower === 'down' && kind === 'host') return 'error';
  return lower as Sign;
}

export interface NodeAttributes extends Placed {
  kind: Kind;
  state: NodeState;
}
export interface EdgeAttributes {
  kind: 'binding' | 'membership';
}

/** What the reader chose to see: kinds and signs. Empty sets mean everything. */
export interface Filter {
  kinds: Set<string>;
  states: Set<string>;
}

const LIMIT = 2000;
const REST_MS = 400;

export class GraphModel implements Drawable {
  readonly fades = true;
  readonly graph = new Graph<NodeAttributes, EdgeAttributes>({ type: 'undirected', multi: true });
  /** Rises with every change of the graph. */
  version = $state(0);
  loading = $state(true);
  error = $state<ApiError | null>(null);
  omitted = $state(0);
  revision = 0;
  private newest = 0;
  private closed = false;

  readonly read = coalesce(async () => {
    try {
      const document = await get<GraphDocument>('/graph', { limit: LIMIT });
      if (this.closed) return;
      this.replace(document);
      this.error = null;
      // A change told while this was on its way is not in it.
      if (document.revision < this.newest) this.read();
    } catch (cause) {
      this.error = asApiError(cause);
    }
    this.loading = false;
  }, REST_MS);

  close(): void {
    this.closed = true;
    this.read.cancel();
  }

  look(id: string): Look {
    const { kind, state } = this.graph.getNodeAttributes(id);
    const major = kind !== 'port';
    return { outline: outlineOf(kind), sign: signOf(kind, state), major, below: major };
  }

  tone(): Tone {
    return 'plain';
  }

  shows(id: string, filter: Filter): boolean {
    const { kind, state } = this.graph.getNodeAttributes(id);
    return (!filter.kinds.size || filter.kinds.has(kind)) && (!filter.states.size || filter.states.has(signOf(kind, state)));
  }

  /** A node by its id; a host also by its name. */
  resolve(key: string): string | undefined {
    if (this.graph.hasNode(key)) return key;
    return this.graph.findNode((_, node) => node.kind === 'host' && node.label === key);
  }

  replace({ revision, nodes, edges, omitted }: GraphDocument): void {
    const { graph } = this;
    const keep = new Set(nodes.map(({ id }) => id));
    for (const id of graph.nodes()) if (!keep.has(id)) graph.dropNode(id);
    for (const { id, ...attributes } of nodes) graph.mergeNode(id, attributes);
    const links = new Set(edges.map(({ id }) => id));
    for (const id of graph.edges()) if (!links.has(id)) graph.dropEdge(id);
    for (const { id, source, target, kind } of edges) {
      if (graph.hasEdge(id) && (graph.source(id) !== source || graph.target(id) !== target)) graph.dropEdge(id);
      if (graph.hasNode(source) && graph.hasNode(target)) graph.mergeEdgeWithKey(id, source, target, { kind });
    }
    this.revision = revision;
    this.omitted = omitted.ports;
    this.version++;
  }

  take(event: LiveEvent): void {
    if (event.type === 'host') this.update(this.resolve(event.host.id) ?? this.resolve(event.host.name), event.host);
    if (event.type !== 'change') return;
    const { table, id, op, object, revision } = event.change;
    this.newest = Math.max(this.newest, revision);
    if (table !== 'ports' && table !== 'networks' && table !== 'hosts') return;
    if (op === 'delete') this.drop(this.resolve(id));
    else if (object) this.update(this.resolve(id), object);
    if (op !== 'update' || this.moved(id, object)) this.read();
  }

  private drop(id: string | undefined): void {
    if (!id) return;
    this.graph.dropNode(id);
    this.version++;
  }

  private update(id: string | undefined, object: Network | Port | Host): void {
    if (!id) return;
    const { kind, label, state } = this.graph.getNodeAttributes(id);
    const now = { state: object.state.toLowerCase() as NodeState, label: object.name || label };
    if (now.state === (state as string) && now.label === label) return;
    this.graph.mergeNodeAttributes(id, { kind, ...now });
    this.version++;
  }

  /** Whether an update changed what the node is linked to, or speaks of a node that is not here yet. */
  private moved(id: string, object: Network | Port | Host | null): boolean {
    const node = this.resolve(id);
    if (!node || !object) return !node;
    if (!('mac_address' in object)) return false;
    const host = this.graph.findNeighbor(node, (_, { kind }) => kind === 'host');
    return (host ? this.graph.getNodeAttribute(host, 'label') : null) !== object.host;
  }
}
