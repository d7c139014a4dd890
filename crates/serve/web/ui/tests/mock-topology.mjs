// The mock's /netwright/v1/topology: environments, their maps, scans, schedules and clique types, as docs/topology-api.md has them.
import { World, around, brief, changesPicture, clique, detail, diff, impact, named, overview, search, shortest, tree, troubled } from './mock-world.mjs';

const MISSING = (what, id) => [404, { error: { type: 'NotFound', message: `There is no ${what} '${id}'.` } }];
const NO_BODY = [204, null];

export class Maps {
  worlds = new Map();
  configs = new Map();
  scans = [];
  schedules = [];
  streams = new Set();
  cliqueTypes = [
    { name: 'instance', focal: 'instance', links: ['instance-vnic', 'vnic-vconnector', 'vconnector-vedge', 'vedge-otep', 'otep-host_pnic', 'host_pnic-network'], environment: 'ANY', implicit: false },
    { name: 'network', focal: 'network', links: ['network-host_pnic', 'host_pnic-otep', 'otep-vedge'], environment: 'ANY', implicit: false },
  ];
  constraints = [{ focal: 'network', attributes: ['network'] }];
  /** What the tests look at: every change that was sent, as it was sent. */
  sent = [];
  /** What connection tests answer, by probe. */
  probes = {};

  put(world, config = {}, credentials = []) {
    this.worlds.set(world.name, world);
    this.configs.set(world.name, { config: { name: world.name, facts: world.facts, roles: [], ...config }, credentials });
    return world;
  }

  told(name) {
    const world = this.worlds.get(name);
    const { config, credentials } = this.configs.get(name);
    const head = world.versions.at(-1);
    return { name, facts: config.facts, version: head?.number ?? 0, at: head?.at ?? '2026-11-25T00:00:00Z', objects: head?.objects.size ?? 0, listener: config.amqp ? world.listener : { ...world.listener, state: 'stopped', received: 0, applied: 0, dead: 0, last_fault: null, newest_event: null }, rights: { scan: true, edit: true }, config, credentials, changed_at: '2026-11-18T00:00:00Z' };
  }

  send(event, data) {
    for (const stream of this.streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  commit(world, at, cause, name, pinned) {
    const version = world.commit(at, cause, name, pinned);
    this.send('version', { environment: world.name, version: version.number, at, cause });
    return version;
  }

  scan(environment, changes = {}) {
    const scan = { id: this.scans.length + 1, environment, state: 'running', submitted_at: '2026-11-25T11:00:00Z', started_at: '2026-11-25T11:00:01Z', progress: { objects: 0, hosts_done: 0, hosts: 4, last: 'keystone.example' }, faults: [], fault_count: 0, ...changes };
    this.scans.unshift(scan);
    this.send('scan', scan);
    return scan;
  }

  progress(id, changes) {
    const i = this.scans.findIndex((scan) => scan.id === id);
    this.scans[i] = { ...this.scans[i], ...changes };
    this.send('scan', this.scans[i]);
    return this.scans[i];
  }

  follow(request, response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    const versions = Object.fromEntries([...this.worlds.values()].map((world) => [world.name, world.versions.at(-1)?.number ?? 0]));
    response.write(`event: hello\ndata: ${JSON.stringify({ versions })}\n\n`);
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
  }

  /** [status, body] or [status, text, type]. */
  async answer(method, path, query, body) {
    if (method !== 'GET') this.sent.push({ method, path, body });
    const [first, name, ...rest] = path.split('/').slice(1).map(decodeURIComponent);
    if (first === 'environments' && name === undefined) return this.environments(method, body);
    if (first === 'environments') {
      if (!this.worlds.has(name)) return MISSING('environment', name);
      return rest.length ? this.of(method, this.worlds.get(name), rest, query, body) : this.environment(method, name, body);
    }
    if (first === 'test') return [200, { results: [this.probe(body.only)] }];
    if (first === 'scans') return this.scansOf(method, name, query, body);
    if (first === 'schedules') return this.schedulesOf(method, name, body);
    if (first === 'reports') return [200, { reports: [], next: null, total: 0 }];
    if (first === 'clique-types') return this.cliqueTypesOf(method, name, body);
    if (first === 'clique-constraints') {
      if (method === 'PUT') this.constraints = body;
      return [200, { clique_constraints: this.constraints }];
    }
    if (first === 'declarations') {
      const types = ['instance', 'vservice', 'vnic', 'vconnector', 'vedge', 'otep', 'host_pnic', 'switch_pnic', 'switch', 'host', 'network'];
      return [200, { object_types: types.map((type) => ({ name: type, label: type, layer: 0 })), link_types: ['instance-vnic', 'vnic-vconnector', 'vconnector-vedge', 'vedge-otep', 'otep-host_pnic', 'host_pnic-network'].map((type) => ({ type })), cause_rules: [] }];
    }
    return MISSING('path', path);
  }

  probe(only) {
    return { target: only, reached: true, detail: 'Answered.', milliseconds: 42, ...this.probes[only] };
  }

  environments(method, body) {
    if (method === 'GET') return [200, { environments: [...this.worlds.keys()].map((name) => this.told(name)) }];
    if (this.worlds.has(body.config.name)) return [409, { error: { type: 'Conflict', message: `There is an environment '${body.config.name}' already.` } }];
    this.put(new World(body.config.name, body.config.facts), body.config, Object.keys(body.credentials));
    this.worlds.get(body.config.name).commit('2026-11-25T11:00:00Z', 'start');
    return [201, { environment: this.told(body.config.name) }];
  }

  environment(method, name, body) {
    if (method === 'DELETE') return this.worlds.delete(name), this.configs.delete(name), NO_BODY;
    if (method === 'PUT') {
      const kept = new Set(this.configs.get(name).credentials);
      for (const [secret, text] of Object.entries(body.credentials)) text ? kept.add(secret) : kept.delete(secret);
      this.configs.set(name, { config: body.config, credentials: [...kept] });
    }
    return [200, { environment: this.told(name) }];
  }

  of(method, world, [what, id, verb], query, body) {
    const version = world.at(query.get('at'));
    if (!version) return MISSING('version', query.get('at'));
    const limit = Number(query.get('limit') ?? 100);
    const find = (key) => version.objects.get(key);
    const format = query.get('format');
    if (PICTURES.includes(id ?? what) && format && format !== 'json') return [200, DRAWN[format], 'image/svg+xml'];
    switch (what) {
      case 'test': return [200, { results: [this.probe(body.only)] }];
      case 'summary': return [200, this.summary(world, version)];
      case 'objects': return [200, list(version, query, limit)];
      case 'object': return find(query.get('key')) ? [200, { version: version.number, object: detail(world, version, find(query.get('key'))) }] : MISSING('object', query.get('key'));
      case 'tree': return [200, { version: version.number, ...page('rows', tree(world, version, query.get('key'), query.getAll('folder')), query, limit) }];
      case 'links': return [200, { version: version.number, links: [...version.links.values()].slice(0, limit).map((link) => named(version, link)), next: null, total: version.links.size }];
      case 'search': return [200, search(version, query.get('q'), limit)];
      case 'cliques': return [200, { version: version.number, cliques: [clique(version, query.get('focal'), query.get('focal').startsWith('network/') ? { network: query.get('focal').slice(8) } : {})] }];
      case 'graph': {
        const starts = query.getAll('around');
        const lost = starts.find((key) => !find(key));
        return lost ? MISSING('object', lost) : [200, { version: version.number, ...around(version, starts, Number(query.get('depth') ?? 2), query.get('link_type'), limit) }];
      }
      case 'overview': return [200, overview(version, query.getAll('open'), Number(process.env.NODES ?? limit))];
      case 'path': return [200, { version: version.number, paths: shortest(version, query.get('from'), query.get('to')) }];
      case 'causes': return [200, { version: version.number, causes: causes(version) }];
      case 'impact': return report(query, impact(version, query.getAll('objects')));
      case 'diff': {
        const sides = [world.at(query.get('from')), world.at(query.get('to')), query.get('tenant')];
        if (id === 'picture') return [200, changesPicture(...sides)];
        const { lists, answer } = diff(...sides);
        const list = query.get('list') ?? 'objects';
        return report(query, { ...answer, list, ...page('rows', lists[list], query, limit) });
      }
      case 'versions': return method === 'DELETE' ? ((world.versions = world.versions.filter(({ number }) => String(number) !== id)), NO_BODY) : [200, versions(world, query, limit)];
      case 'snapshots': return [201, { version: told(this.commit(world, new Date().toISOString(), 'snapshot', body.name, body.pinned)) }];
      case 'messages': return verb === 'viewed' ? viewed(world, id) : [200, messages(world, query, limit)];
      default: return MISSING('path', what);
    }
  }

  summary(world, version) {
    const objects = {};
    const status = { ok: 0, warning: 0, error: 0, unknown: 0 };
    let stale = 0;
    for (const object of version.objects.values()) {
      objects[object.type] = (objects[object.type] ?? 0) + 1;
      status[object.status]++;
      stale += object.stale ? 1 : 0;
    }
    const counts = {};
    for (const { severity } of world.messages) counts[severity] = (counts[severity] ?? 0) + 1;
    return { environment: world.name, version: version.number, at: version.at, cause: version.cause, objects, links: version.links.size, status, stale, messages: counts, listener: world.listener };
  }

  scansOf(method, id, query, body) {
    if (id && method === 'DELETE') return [200, { scan: this.progress(Number(id), { state: 'cancelled', ended_at: '2026-11-25T11:00:09Z' }) }];
    if (method === 'POST') return [202, { scan: this.scan(body.environment, { state: 'pending', started_at: undefined, ...(body.start ? { start: { environment: body.environment, type: body.start.split('/')[0], id: body.start.split('/').slice(1).join('/') } } : {}) }) }];
    return [200, { scans: this.scans.filter(({ environment }) => !query.get('environment') || environment === query.get('environment')) }];
  }

  schedulesOf(method, name, body) {
    const others = this.schedules.filter((schedule) => schedule.name !== name);
    if (method === 'GET') return [200, { schedules: this.schedules }];
    if (method === 'DELETE') return (this.schedules = others), NO_BODY;
    const fields = body.pattern.trim().split(/\s+/);
    if (Number(fields[0]) > 59) return [422, { error: { type: 'Meaningless', message: `The pattern '${body.pattern}': minute '${fields[0]}' is not from 0 to 59.` } }];
    this.schedules = [...others, { paused: false, snapshot: false, since: '2026-11-25T11:00:00Z', ...body, next: body.paused ? null : '2026-11-29T00:00:00Z' }];
    return [method === 'POST' ? 201 : 200, { schedule: this.schedules.at(-1) }];
  }

  cliqueTypesOf(method, name, body) {
    if (method === 'GET') return [200, { clique_types: this.cliqueTypes }];
    this.cliqueTypes = this.cliqueTypes.filter((type) => type.name !== name);
    if (method === 'DELETE') return NO_BODY;
    this.cliqueTypes.push(body);
    return [method === 'POST' ? 201 : 200, { clique_type: body }];
  }
}

const PICTURES = ['overview', 'graph', 'cliques', 'picture'];
const DRAWN = { svg: '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><rect width="100%" height="100%" fill="#fff"/><circle cx="150" cy="100" r="40" fill="#b3261e"/></svg>', graphml: '<graphml/>' };

const told = ({ number, at, cause, name, pinned, objects, links }) => ({ number, at, cause, name, pinned, objects: objects.size, links: links.size });

function versions(world, query, limit) {
  const before = Number(query.get('before') ?? Infinity);
  const all = [...world.versions].reverse().filter(({ number, name }) => number < before && (query.get('named') !== 'true' || name));
  return { versions: all.slice(0, limit).map(told), total: world.versions.length };
}

function list(version, query, limit) {
  const equal = (name, value) => !query.get(name) || query.get(name) === String(value);
  const all = [...version.objects.values()]
    .filter((object) => equal('type', object.type) && equal('status', object.status) && equal('host', object.host) && equal('tenant', object.tenant) && equal('stale', object.stale !== null) && object.name.toLowerCase().includes((query.get('q') ?? '').toLowerCase()))
    .sort((a, b) => (`${a.name} ${a.key}` < `${b.name} ${b.key}` ? -1 : 1));
  return { version: version.number, ...page('objects', all.map(brief), query, limit) };
}

function page(name, all, query, limit) {
  const start = Number(query.get('cursor') ?? 0);
  return { [name]: all.slice(start, start + limit), next: start + limit < all.length ? String(start + limit) : null, total: all.length };
}

function messages(world, query, limit) {
  const levels = query.getAll('severity');
  const objects = query.getAll('objects');
  const before = Number(query.get('before') ?? Infinity);
  const all = [...world.messages].reverse().filter(
    (message) => (!levels.length || levels.includes(message.severity)) && (!objects.length || message.objects.some(({ type, id }) => objects.includes(`${type}/${id}`))) && message.text.toLowerCase().includes((query.get('q') ?? '').toLowerCase()),
  );
  const page = all.filter(({ id }) => id < before).slice(0, limit);
  return { messages: page, next: page.length === limit ? page.at(-1).id : null, total: all.length };
}

function viewed(world, id) {
  world.messages = world.messages.map((message) => (String(message.id) === id ? { ...message, viewed: true } : message));
  return NO_BODY;
}

function causes(version) {
  const found = new Map();
  for (const { key, causes } of version.objects.values()) {
    for (const because of causes) {
      const cause = found.get(because.cause) ?? { cause: because.cause, rule: 'carrier', status: 'error', because: because.because, effect: because.effect, explains: 0, explained: [] };
      cause.explains++;
      cause.explained.push(key);
      found.set(because.cause, cause);
    }
  }
  return [...found.values()];
}

function report(query, answer) {
  const format = query.get('format') ?? 'json';
  return format === 'json' ? [200, answer] : [200, `a report as ${format}`, format === 'csv' ? 'text/csv' : 'text/plain'];
}

/** Environments with something of everything. */
export function sampleMaps(size) {
  const maps = new Maps();
  maps.put(troubled('prod', size), {
    openstack: { url: 'https://keystone.example:5000/v3', user: 'reader', user_domain: 'Default', project: 'admin', project_domain: 'Default', interface: 'public' },
    ssh: { user: 'netwright', port: 22, known_hosts: '/etc/netwright/known_hosts', sudo: true, hosts: ['net-1'], addresses: { 'net-1': { address: '192.0.2.9', port: 2222 } }, connect_seconds: 10 },
    amqp: { host: 'rabbit.example', port: 5672, user: 'netwright', vhost: '/', tls: false, exchanges: [], topics: [] },
    roles: [{ to: { role: 'noc' }, right: 'scan' }],
  }, ['openstack_password', 'ssh_key', 'amqp_password']);
  maps.put(new World('edge-site', { environment_type: 'Kubernetes', distribution: '', distribution_version: '', mechanism_drivers: ['Calico'] }));
  maps.worlds.get('edge-site').commit('2026-11-25T09:00:00Z', 'start');
  maps.scan('prod', { state: 'completed_with_errors', ended_at: '2026-11-25T10:00:00Z', progress: { objects: 61, hosts_done: 3, hosts: 4, last: 'compute-4' }, faults: [['compute-3', 'no answer within 60 s: it is marked stale']], fault_count: 1, version: 3 });
  maps.schedules.push({ name: 'weekly', environment: 'prod', pattern: '0 0 * * 0', zone: 'Europe/Berlin', paused: false, snapshot: true, since: '2026-11-18T00:00:00Z', next: '2026-11-28T23:00:00Z' });
  return maps;
}
