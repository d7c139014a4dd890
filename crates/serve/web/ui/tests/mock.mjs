// A small stand-in for `netwright up`: the part of docs/netwright-api.md the console uses, over objects in memory, and
// enough of Neutron to create and delete them. For developing the console and for its fast tests; never shipped.
//   npm run mock            serves the built console on port 9697 with a sample cloud whose counters move
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Maps, sampleMaps } from './mock-topology.mjs';

const UI = fileURLToPath(new URL('..', import.meta.url));
const CSP = readFileSync(join(UI, '../csp.txt'), 'utf8').trim().replaceAll(/\s*\n\s*/g, ' ');
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.html': 'text/html; charset=utf-8' };
const REASONS = {
  'spoofed-source': 'the source is not one of the port’s addresses or allowed address pairs',
  'no-rule': 'no security group rule of the port allows the packet',
  'unknown-unicast': 'no port of the network has the destination MAC address',
};

export class Cloud {
  revision = 1;
  hosts = new Map();
  networks = new Map();
  ports = new Map();
  log = [];
  streams = new Set();
  /** Faults a test turns on: no streams, only errors, changes that nobody is told of. */
  refuse = false;
  broken = false;
  silent = false;

  addHost(name, tunnel_address, state = 'up') {
    const host = { id: randomUUID(), name, tunnel_address, state, agent_version: '0.1.0', lag: 0, ports: 0, last_heard: new Date().toISOString(), applied_revision: this.revision, target_revision: this.revision };
    this.hosts.set(name, host);
    return host;
  }

  network(body) {
    const network = { id: randomUUID(), name: body.name ?? '', project_id: body.project_id ?? 'a7f0c3d2b1e84d56a7f0c3d2b1e84d56', vni: 4096 + this.networks.size, mtu: 1450, state: 'up', ports: 0, subnets: [] };
    this.networks.set(network.id, network);
    this.changed('networks', 'create', network);
    return network;
  }

  subnet(body) {
    const network = this.networks.get(body.network_id);
    const subnet = { id: randomUUID(), name: body.name ?? '', cidr: body.cidr, gateway_ip: body.cidr.replace(/\.0\/.*/, '.1').replace(/::\/.*/, '::1') };
    network.subnets.push(subnet);
    this.changed('subnets', 'create', subnet);
    return subnet;
  }

  port(body) {
    const network = this.networks.get(body.network_id);
    const n = this.ports.size + 2;
    const host = body['binding:host_id'] || null;
    const port = {
      id: randomUUID(), name: body.name ?? '', project_id: network.project_id, network_id: network.id, network_name: network.name,
      mac_address: body.mac_address ?? `fa:16:3e:${[n >> 16, n >> 8, n].map((b) => (b & 255).toString(16).padStart(2, '0')).join(':')}`,
      addresses: network.subnets.map(({ cidr }) => cidr.replace(/\.0\/.*/, `.${(n % 250) + 2}`).replace(/::\/.*/, `::${n.toString(16)}`)),
      host, state: host ? 'ACTIVE' : 'DOWN', device_owner: host ? 'compute:nova' : '', device_id: host ? randomUUID() : '', revision_number: 1, drops: 0,
    };
    const extra = {
      security_groups: [{ id: randomUUID(), name: 'default' }], port_security_enabled: true,
      reason: host ? null : 'The port is not bound to a host: set binding:host_id.', applied_revision: host ? this.revision + 1 : null,
      counters: [
        { name: 'rx', kind: 'traffic', packets: 0, bytes: 0, explain: '' },
        { name: 'tx', kind: 'traffic', packets: 0, bytes: 0, explain: '' },
        ...Object.entries(REASONS).map(([name, explain]) => ({ name, kind: 'drop', packets: 0, bytes: 0, explain })),
      ],
      counters_at: host ? new Date().toISOString() : null,
    };
    Object.defineProperty(port, 'extra', { value: extra });
    this.ports.set(port.id, port);
    network.ports++;
    this.changed('ports', 'create', port);
    if (host) this.applied(this.hosts.get(host), 1);
    return port;
  }

  applied(host, ports) {
    host.ports += ports;
    Object.assign(host, { applied_revision: this.revision, target_revision: this.revision, last_heard: new Date().toISOString() });
    this.send('host', host);
  }

  remove(kind, id) {
    const object = this[kind].get(id);
    if (!object) return false;
    this[kind].delete(id);
    if (kind === 'ports') this.networks.get(object.network_id).ports--;
    this.changed(kind, 'delete', object);
    if (kind === 'ports' && object.host) this.applied(this.hosts.get(object.host), -1);
    return true;
  }

  setState(port, state, reason) {
    port.state = state;
    port.extra.reason = reason;
    this.changed('ports', 'update', port);
  }

  changed(table, op, object) {
    this.revision++;
    if (this.silent) return;
    const data = { revision: this.revision, table, id: object.id, op, object: op === 'delete' || table === 'subnets' ? null : object };
    const frame = `id: ${this.revision}\nevent: change\ndata: ${JSON.stringify(data)}\n\n`;
    this.log.push({ revision: this.revision, frame });
    for (const stream of this.streams) stream.write(frame);
  }

  send(event, data) {
    for (const stream of this.streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  count(port, name, packets) {
    const counter = port.extra.counters.find((found) => found.name === name);
    counter.packets += packets;
    counter.bytes += packets * 120;
    if (counter.kind === 'drop') port.drops += packets;
    port.extra.counters_at = new Date().toISOString();
  }

  tell(ports) {
    const total = (port, name) => port.extra.counters.find((found) => found.name === name).packets;
    this.send('counters', { ports: ports.map((port) => ({ id: port.id, rx: total(port, 'rx'), tx: total(port, 'tx'), drops: port.drops })) });
  }

  summary() {
    const ports = { ACTIVE: 0, DOWN: 0, BUILD: 0, ERROR: 0 };
    let drops = 0;
    for (const port of this.ports.values()) {
      ports[port.state]++;
      drops += port.drops;
    }
    const hosts = { up: 0, down: 0 };
    for (const host of this.hosts.values()) hosts[host.state]++;
    return { revision: this.revision, version: '0.1.0', hosts, networks: this.networks.size, ports, drops };
  }

  /** Hosts on the left, networks on the right, each port between its two. */
  graph() {
    const nodes = [];
    const edges = [];
    const at = new Map();
    const place = (id, x, y, node) => {
      at.set(id, { x, y });
      nodes.push({ id, x, y, ...node });
    };
    const row = (i) => ({ aside: 400 + 180 * (i >> 2), y: ((i & 3) - 1.5) * 140 + 60 * ((i >> 2) & 1) });
    const size = (ports) => Math.min(40, 10 + Math.sqrt(ports));
    [...this.hosts.values()].forEach((host, i) => place(host.id, -row(i).aside, row(i).y, { kind: 'host', label: host.name, state: host.state, size: size(host.ports) }));
    [...this.networks.values()].forEach((network, i) => place(network.id, row(i).aside, row(i).y, { kind: 'network', label: network.name, state: network.state, size: size(network.ports) }));
    for (const port of this.ports.values()) {
      const hash = (salt) => (parseInt(port.id.slice(salt, salt + 4), 16) / 65536);
      const network = at.get(port.network_id);
      const host = port.host ? at.get(this.hosts.get(port.host).id) : { x: network.x * 0.4, y: network.y };
      const radius = 70 * Math.sqrt(hash(0));
      const angle = 2 * Math.PI * hash(4);
      place(port.id, (host.x + network.x) / 2 + radius * Math.cos(angle), (host.y + network.y) / 2 + radius * Math.sin(angle), { kind: 'port', label: port.name, state: port.state.toLowerCase(), size: 4 });
      edges.push({ id: `m/${port.id}`, source: port.id, target: port.network_id, kind: 'membership' });
      if (port.host) edges.push({ id: `b/${port.id}`, source: port.id, target: this.hosts.get(port.host).id, kind: 'binding' });
    }
    return { revision: this.revision, nodes, edges, omitted: { ports: 0 } };
  }

  search(q) {
    const results = [];
    const text = q.toLowerCase();
    const mac = text.replaceAll(/[^0-9a-f]/g, '');
    const look = (kind, object, detail) => {
      let matched;
      if (object.name.toLowerCase().includes(text)) matched = 'name';
      else if (object.id.startsWith(text)) matched = 'id';
      else if (mac.length >= 4 && object.mac_address?.replaceAll(':', '').includes(mac)) matched = 'mac';
      else if ([object.tunnel_address, ...(object.addresses ?? [])].some((address) => address?.startsWith(text))) matched = 'ip';
      if (matched) results.push({ kind, id: object.id, label: object.name, matched, detail });
    };
    for (const host of this.hosts.values()) look('host', host, host.tunnel_address);
    for (const network of this.networks.values()) look('network', network, network.subnets[0]?.cidr ?? '');
    for (const port of this.ports.values()) look('port', port, port.addresses[0] ?? port.mac_address);
    return results;
  }

  trace(q) {
    const find = (key) => this.ports.get(key) ?? [...this.ports.values()].find((port) => port.name === key || port.addresses.includes(key));
    const from = find(q.get('from'));
    const to = find(q.get('to'));
    if (!from) return null;
    const allowed = to && (q.get('dport') === '22' || q.get('proto') === 'icmp');
    const egress = randomUUID();
    const group = from.extra.security_groups[0].id;
    const steps = [];
    const step = (host, stage, check, detail, unit = null, rule = null) => steps.push({ host, stage, check, verdict: 'passed', detail, unit, rule });
    step(from.host, 'from_port', 'sender', `source ${from.addresses[0]} and ${from.mac_address} belong to the port`, `endpoint/${from.id}`);
    step(from.host, 'from_port', 'security group egress', 'group default: any protocol to anywhere', `rule-set/${group}`, egress);
    if (!to) step(from.host, 'from_port', 'destination', 'no port of the network has this address');
    else {
      step(from.host, 'from_port', 'destination', `${to.mac_address} is on ${to.host}`, `member/${to.network_id}/${to.id}`);
      step(to.host, 'to_port', 'security group ingress', allowed ? 'group default: tcp 22 from its own members' : 'no ingress rule matches', `rule-set/${group}`, allowed ? randomUUID() : null);
      if (allowed) step(to.host, 'to_port', 'delivery', `to ${to.name}`, `endpoint/${to.id}`);
    }
    steps.at(-1).verdict = allowed ? 'delivered' : 'dropped';
    return { revision: this.revision, outcome: allowed ? 'delivered' : 'dropped', reason: allowed ? null : to ? 'no-rule' : 'unknown-unicast', because: allowed ? null : steps.at(-1).detail, steps };
  }
}

function page(all, q, limit, marker) {
  const start = marker ? all.findIndex(({ id }) => id === marker) + 1 : 0;
  const rows = all.slice(start, start + limit);
  return { rows, next: start + limit < all.length ? rows.at(-1).id : null, total: all.length };
}

const byName = (a, b) => (a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1);

function read(cloud, path, query) {
  const limit = Math.min(1000, Number(query.get('limit') ?? 100));
  const [, kind, id] = path.split('/');
  if (kind === 'summary') return cloud.summary();
  if (kind === 'hosts') return { hosts: [...cloud.hosts.values()] };
  if (kind === 'graph') return cloud.graph();
  if (kind === 'search') return { results: cloud.search(query.get('q')).slice(0, limit) };
  if (kind === 'trace') return cloud.trace(query);
  if (kind === 'explain') return { unit: query.get('unit'), rows: ['ports/…', 'networks/…'] };
  if (kind === 'ports' && id) {
    const port = cloud.ports.get(id);
    return port && { ...port, ...port.extra };
  }
  const found = query.get('q') ? new Set(cloud.search(query.get('q')).map((result) => result.id)) : null;
  const keep = (object) =>
    (!found || found.has(object.id)) &&
    ['host', 'state'].every((key) => !query.get(key) || object[key] === query.get(key)) &&
    (!query.get('network') || object.network_id === query.get('network'));
  if (kind !== 'ports' && kind !== 'networks') return null;
  const { rows, ...rest } = page([...cloud[kind].values()].filter(keep).sort(byName), query, limit, query.get('marker'));
  return { [kind]: rows, ...rest };
}

function follow(cloud, request, response) {
  const since = Number(request.headers['last-event-id'] ?? cloud.revision);
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write(`event: hello\ndata: ${JSON.stringify({ revision: cloud.revision })}\n\n`);
  for (const { revision, frame } of cloud.log) if (revision > since) response.write(frame);
  cloud.streams.add(response);
  response.on('close', () => cloud.streams.delete(response));
}

async function neutron(cloud, request, path) {
  const [, kind, id] = path.split('/');
  if (request.method === 'DELETE') return cloud.remove(kind, id) ? [204, null] : [404, {}];
  const one = kind.slice(0, -1);
  return [201, { [one]: cloud[one]((await json(request))[one]) }];
}

async function json(request) {
  let text = '';
  for await (const piece of request) text += piece;
  return text ? JSON.parse(text) : null;
}

function asset(path, response) {
  const file = path === '/' || path === '/console' ? '/index.html' : path;
  try {
    const bytes = readFileSync(join(UI, 'dist', file));
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': CSP, 'X-Content-Type-Options': 'nosniff' });
    response.end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}

/** Starts the server; `token`, when given, is the only one it accepts. */
export async function start({ port = 0, cloud = new Cloud(), maps = new Maps(), token } = {}) {
  const send = (response, status, body) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(body === null ? '' : JSON.stringify(body));
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://mock');
    const api = pathname.startsWith('/netwright/v1/') || pathname.startsWith('/v2.0/');
    if (!api) return asset(pathname, response);
    if (token && request.headers['x-auth-token'] !== token) return send(response, 401, { error: { type: 'Unauthorized', message: 'The request you have made requires authentication.' } });
    if (pathname.startsWith('/v2.0/')) return send(response, ...(await neutron(cloud, request, pathname.slice(5))));
    const path = pathname.slice('/netwright/v1'.length);
    if (path === '/events') return cloud.refuse ? request.destroy() : follow(cloud, request, response);
    if (path.startsWith('/topology/')) {
      if (path === '/topology/events') return maps.refuse ? request.destroy() : maps.follow(request, response);
      const [status, body, type] = maps.broken ? [500, { error: { type: 'Internal', message: 'The map cannot be written.' } }] : await maps.answer(request.method, path.slice('/topology'.length), searchParams, await json(request));
      return type ? response.writeHead(status, { 'Content-Type': type }).end(body) : send(response, status, body);
    }
    if (cloud.broken) return send(response, 500, { error: { type: 'Internal', message: 'The store is closed.' } });
    const body = read(cloud, path, searchParams);
    if (!body) return send(response, 404, { error: { type: 'NotFound', message: `${path.slice(1)} could not be found.` } });
    send(response, 200, body);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () => {
    for (const stream of [...cloud.streams, ...maps.streams]) stream.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  return { cloud, maps, url: `http://127.0.0.1:${server.address().port}`, close };
}

/** A cloud with something of everything. */
export function sample({ ports = 120 } = {}) {
  const cloud = new Cloud();
  for (let i = 1; i <= 6; i++) cloud.addHost(`rack${Math.ceil(i / 2)}-node${((i - 1) % 2) + 1}`, `192.0.2.${10 + i}`);
  const hosts = [...cloud.hosts.values()];
  const names = ['blue', 'green', 'payments', 'build-farm', 'storage', 'lab'];
  names.forEach((name, i) => {
    const network = cloud.network({ name });
    cloud.subnet({ network_id: network.id, name: `${name}-v4`, cidr: `10.${i}.0.0/24` });
    if (i < 4) cloud.subnet({ network_id: network.id, name: `${name}-v6`, cidr: `2001:db8:${i}::/64` });
  });
  const networks = [...cloud.networks.values()];
  for (let i = 0; i < ports; i++) {
    const network = networks[Math.floor((i * i * 7) / 11) % networks.length];
    const bound = i % 17 !== 3;
    const port = cloud.port({ name: `${network.name}-${['web', 'db', 'cache', 'job'][i % 4]}${i}`, network_id: network.id, 'binding:host_id': bound ? hosts[(i * 5 + (i >> 3)) % hosts.length].name : '' });
    if (i % 23 === 5) cloud.setState(port, 'BUILD', 'The host’s agent has not yet acknowledged revision 214.');
    if (i % 41 === 7) cloud.setState(port, 'ERROR', 'The agent could not attach its programs: device tap4f2a91c0-7b is gone.');
  }
  Object.assign(hosts[4], { state: 'down', lag: 12, last_heard: new Date(Date.now() - 340_000).toISOString() });
  Object.assign(hosts[2], { lag: 3, applied_revision: cloud.revision - 3 });
  return cloud;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { cloud, url } = await start({ port: Number(process.env.PORT ?? 9697), cloud: sample({ ports: Number(process.env.PORTS ?? 120) }), maps: sampleMaps(), token: process.env.TOKEN });
  console.log(`console with a sample cloud on ${url}`);
  setInterval(() => {
    const ports = [...cloud.ports.values()].filter((port) => port.state === 'ACTIVE');
    ports.forEach((port, i) => {
      cloud.count(port, 'rx', Math.round(400 + 300 * Math.sin(Date.now() / 9000 + i) + 60 * Math.random()));
      cloud.count(port, 'tx', Math.round(300 + 200 * Math.cos(Date.now() / 7000 + i) + 60 * Math.random()));
      if (i % 9 === 0) cloud.count(port, 'no-rule', Math.round(6 * Math.random()));
      if (i % 18 === 0) cloud.count(port, 'spoofed-source', Math.round(2 * Math.random()));
    });
    cloud.tell(ports);
  }, 1000);
}
