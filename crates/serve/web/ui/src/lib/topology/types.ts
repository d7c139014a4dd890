// The objects of /netwright/v1/topology, as docs/topology-api.md writes them. Names and shapes only: no code.

export type Level = 'ok' | 'unknown' | 'warning' | 'error';
export type Severity = 'debug' | 'info' | 'warning' | 'error' | 'critical';
export type Scalar = string | number | boolean | null;

export interface Stale {
  since: string;
  reason: string;
}

/** The short form of an object. */
export interface Brief {
  /** type/id */
  key: string;
  type: string;
  id: string;
  name: string;
  parent: string | null;
  host: string | null;
  tenant: string | null;
  status: Level;
  stale: Stale | null;
}

export interface Claim {
  value: unknown;
  source: string;
  from: string;
  since: string;
  read_at: string | null;
}
export interface Attribute extends Claim {
  /** Who says otherwise. */
  others?: Claim[];
}

export interface Check {
  check: string;
  status: Level;
  text: string;
  at: string;
  source: string;
  stale: boolean;
}

export interface Because {
  cause: string;
  because: string;
  effect: Level;
  chain: string[];
}

export interface Link {
  type: string;
  source: string;
  target: string;
  distinct: string | null;
  name: string | null;
  source_name: string | null;
  target_name: string | null;
  source_label?: string | null;
  target_label?: string | null;
  state: 'up' | 'down' | 'unknown';
  status: Level;
  implicit: boolean;
  host: string | null;
  attributes: Record<string, unknown>;
}

export interface Detail extends Brief {
  id_path: string;
  name_path: string;
  attributes: Record<string, Attribute>;
  checks: Check[];
  causes: Because[];
  links: Link[];
  has_clique: boolean;
}

export interface Position {
  x: number;
  y: number;
}
export interface PictureNode extends Brief {
  position: Position | null;
}
export interface PictureAnswer {
  version?: number;
  nodes: PictureNode[];
  links: Link[];
  truncated?: boolean;
}

export interface Clique extends PictureAnswer {
  focal: string;
  clique_type: string;
  constraints: Record<string, unknown>;
  status: Level;
}

export interface Supernode {
  key: string;
  type: string;
  id: string;
  name: string;
  counts: Record<string, number>;
  status: Level;
  stale: number;
  closed: boolean;
  position: Position | null;
}
export interface OverviewAnswer {
  version: number;
  nodes: Supernode[];
  links: { source: string; target: string; counts: Record<string, number>; status: Level }[];
}

export interface Listener {
  state: 'stopped' | 'connecting' | 'running' | 'backing_off';
  since?: string;
  reason?: string;
  until?: string;
  received: number;
  applied: number;
  ignored: number;
  retried: number;
  dead: number;
  last_fault: string | null;
  newest_event: string | null;
}

export interface Summary {
  environment: string;
  version: number;
  at: string;
  cause: string;
  objects: Record<string, number>;
  links: number | null;
  status: Record<Level, number>;
  stale: number;
  messages: Partial<Record<Severity, number>> | null;
  listener: Listener | null;
}

export interface Facts {
  environment_type: string;
  distribution: string;
  distribution_version: string;
  mechanism_drivers: string[];
  type_drivers: string;
}

/** The configuration as JSON: the wizard's fields say what is in it. */
export type Config = { name: string; facts: Facts } & Record<string, unknown>;

export interface EnvironmentInfo {
  name: string;
  facts: Facts;
  version: number | null;
  at: string | null;
  /** None for those who see only their own. */
  objects: number | null;
  listener: Listener | null;
  rights: { scan: boolean; edit: boolean };
  config?: Config;
  /** Names of the credentials that are set. */
  credentials?: string[];
  changed_at?: string;
}

export interface ProbeResult {
  target: string;
  reached: boolean;
  detail: string;
  milliseconds: number;
}

export interface TreeFolder {
  id: string;
  text: string;
  key: string | null;
  folders: string[];
  count: number;
}
export type TreeRow = { folder: TreeFolder; object?: never } | { object: Brief & { children: number }; folder?: never };

export interface Hit extends Brief {
  field: string;
  matched: string;
}

export interface VersionInfo {
  number: number;
  at: string;
  cause: string;
  name: string | null;
  pinned: boolean;
  /** Of everything; none for those who see only their own. */
  objects: number | null;
  links: number | null;
}

export interface Ref {
  type: string;
  id: string;
}
export type ChangeKind = 'added' | 'removed' | 'moved' | 'changed';
export interface AttributeChange {
  name: string;
  before?: unknown;
  after?: unknown;
}
export interface ObjectChange extends Ref {
  kind: ChangeKind;
  name: string;
  tenant?: string;
  place_before?: string;
  place_after?: string;
  attributes?: AttributeChange[];
  stale?: boolean;
}
export interface LinkKey {
  link_type: string;
  source: Ref;
  target: Ref;
  distinct?: string;
}
export interface LinkChange extends LinkKey {
  kind: ChangeKind;
  attributes?: AttributeChange[];
}
export interface HealthChange {
  subject: { object: Ref } | { link: LinkKey };
  before: Level;
  after: Level;
  text: string;
}
export interface CliqueChange {
  focal: Ref;
  clique_type: string;
  kind: ChangeKind;
  links_added: LinkKey[];
  links_removed: LinkKey[];
  health_before: Level;
  health_after: Level;
}
export type DiffKinds = Partial<Record<ChangeKind, number>>;
/** Totals of a comparison, and a page of one of its lists. */
export interface DiffAnswer {
  before: { number: number; at: string };
  after: { number: number; at: string };
  totals: { objects: DiffKinds; links: DiffKinds; health: number; cliques: number };
  by_tenant: Record<string, DiffKinds>;
  more_cliques: boolean;
}
/** Everything that changed in a bounded number of nodes. */
export interface ChangesAnswer {
  before: number;
  after: number;
  nodes: { key: string; type: string; id: string; name: string; own: ChangeKind | null; changes: DiffKinds; status: Level; closed: boolean; position: Position | null }[];
  links: { source: string; target: string; counts: Counts; changes: DiffKinds }[];
}

export interface Hurt extends Brief {
  because_of: string | null;
  along: string | null;
  distance: number;
}
export interface ImpactAnswer {
  version: number;
  failed: string[];
  counts: { total: number; by_type: Counts; by_tenant: Counts; by_place: Counts; by_network: Counts };
  hit: Hurt[];
}
export type Counts = Record<string, number>;

export interface Message {
  id: number;
  severity: Severity;
  source: string;
  text: string;
  at: string;
  received_at: string;
  objects: Ref[];
  context?: Ref;
  viewed: boolean;
}

export type ScanState = 'pending' | 'running' | 'completed' | 'completed_with_errors' | 'failed' | 'cancelled';
export interface Scan {
  id: number;
  environment: string;
  start?: Ref & { environment: string };
  schedule?: string;
  snapshot?: string;
  state: ScanState;
  submitted_at: string;
  started_at?: string;
  ended_at?: string;
  progress: { objects: number; hosts_done: number; hosts: number; last: string };
  faults: [string, string][];
  fault_count: number;
  version?: number;
}

export interface Schedule {
  name: string;
  environment: string;
  pattern: string;
  zone: string;
  paused: boolean;
  since: string;
  /** Of a scan. */
  snapshot?: boolean;
  start?: Ref & { environment: string };
  /** Of a report. */
  report?: ReportOrder;
  next: string | null;
}
export type ReportOf = 'changes' | 'impact' | 'inventory';
export type ReportFormat = 'html' | 'markdown' | 'csv' | 'json';
export interface ReportOrder {
  of: ReportOf;
  since?: string;
  objects?: Ref[];
  format: ReportFormat;
  keep: number;
  post_to?: string;
}
/** A report a schedule made, or why it could not. */
export interface Report {
  id: number;
  environment: string;
  schedule: string;
  due: string;
  made_at: string;
  of: ReportOf;
  since?: string;
  objects?: Ref[];
  format: ReportFormat;
  state: 'made' | 'failed';
  version?: number;
  compared_with?: number;
  findings?: number;
  reason?: string;
  posting?: { to: string; state: 'waiting' | 'delivered' | 'failed'; attempts: number; at?: string; detail?: string };
}

export interface CliqueType {
  name: string;
  focal: string;
  links: string[];
  environment?: string;
  environment_type?: string;
  distribution?: string;
  distribution_version?: string;
  mechanism_driver?: string;
  type_driver?: string;
  implicit: boolean;
}
export interface Constraint {
  focal: string;
  environment?: string;
  attributes: string[];
}
export interface Declarations {
  object_types: { name: string; label: string; layer: number }[];
  link_types: { type: string }[];
}

/** What the event stream of the map tells. */
export type MapEvent =
  | { type: 'version'; environment: string; version: number; at: string; cause: string }
  | { type: 'messages'; environment: string; count: number }
  | { type: 'scan'; scan: Scan };
