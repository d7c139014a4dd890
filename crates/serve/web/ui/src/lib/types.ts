// The objects of the Netwright API, as docs/netwright-api.md writes them. Names and shapes only: no code.

export type Kind = 'host' | 'network' | 'port';
export type PortState = 'ACTIVE' | 'DOWN' | 'BUILD' | 'ERROR';
export type UpDown = 'up' | 'down';

export interface Host {
  id: string;
  name: string;
  tunnel_address: string;
  state: UpDown;
  last_heard: string | null;
  agent_version: string | null;
  applied_revision: number | null;
  target_revision: number | null;
  lag: number;
  ports: number;
}

export interface Subnet {
  id: string;
  name: string;
  cidr: string;
  gateway_ip: string | null;
}

export interface Network {
  id: string;
  name: string;
  project_id: string;
  vni: number | null;
  mtu: number;
  state: UpDown;
  ports: number;
  subnets: Subnet[];
}

export interface Port {
  id: string;
  name: string;
  project_id: string;
  network_id: string;
  network_name: string;
  mac_address: string;
  addresses: string[];
  host: string | null;
  state: PortState;
  device_owner: string;
  device_id: string;
  revision_number: number;
  drops: number;
}

export interface Counter {
  name: string;
  kind: 'traffic' | 'drop';
  packets: number;
  bytes: number;
  explain: string;
}

export interface PortDetail extends Port {
  security_groups: { id: string; name: string }[];
  port_security_enabled: boolean;
  reason: string | null;
  applied_revision: number | null;
  counters: Counter[];
  counters_at: string | null;
}

export interface Summary {
  revision: number;
  version: string;
  hosts: { up: number; down: number };
  networks: number;
  ports: Record<PortState, number>;
  drops: number;
}

export interface GraphNode {
  id: string;
  kind: Kind;
  label: string;
  state: UpDown | 'active' | 'build' | 'error';
  x: number;
  y: number;
  size: number;
}

export interface GraphEdge {
  id: string;
  source: string;
  target: string;
  kind: 'binding' | 'membership';
}

export interface GraphDocument {
  revision: number;
  nodes: GraphNode[];
  edges: GraphEdge[];
  omitted: { ports: number };
}

export interface SearchResult {
  kind: Kind;
  id: string;
  label: string;
  matched: 'name' | 'id' | 'mac' | 'ip' | 'host';
  detail: string;
}

export interface TraceStep {
  host: string | null;
  /** The hook, e.g. from_port, and what was checked there. */
  stage: string;
  check?: string;
  verdict: string;
  detail: string;
  unit: string | null;
  rule: string | null;
}

export interface Trace {
  revision: number;
  outcome: string;
  reason: string | null;
  /** Why, in words, unless it was delivered. */
  because?: string | null;
  steps: TraceStep[];
}

export type Table = 'networks' | 'subnets' | 'ports' | 'security_groups' | 'security_group_rules' | 'hosts';

export interface Change {
  revision: number;
  table: Table;
  id: string;
  op: 'create' | 'update' | 'delete';
  object: Network | Port | Host | null;
}

export interface PortCounters {
  id: string;
  rx: number;
  tx: number;
  drops: number;
}

/** What the event stream tells, in the order it was told. */
export type LiveEvent =
  | { type: 'change'; change: Change }
  | { type: 'host'; host: Host }
  | { type: 'counters'; ports: PortCounters[] };
