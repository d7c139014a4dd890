// Environments for the mock: objects, links and versions in memory, enough of what `topology` does with them for the console to be driven.
const LAYER = { instance: 0, vservice: 0, vnic: 1, vconnector: 2, vedge: 3, otep: 4, host_pnic: 5, switch_pnic: 6, switch: 7, host: 7, network: 8 };
const WORST = ['ok', 'unknown', 'warning', 'error'];
export const worse = (a, b) => (WORST.indexOf(a) > WORST.indexOf(b) ? a : b);

export class World {
  versions = [];
  messages = [];
  nextMessage = 1;
  listener = { state: 'running', since: '2026-11-24T08:00:00Z', received: 412, applied: 398, ignored: 14, retried: 0, dead: 1, last_fault: 'compute.instance.update without instance_id', newest_event: '2026-11-25T11:58:00Z', sessions: 1 };

  constructor(name, facts = {}) {
    this.name = name;
    this.facts = { environment_type: 'OpenStack', distribution: 'Debian', distribution_version: '13', mechanism_drivers: ['OVS'], type_drivers: 'vxlan', ...facts };
    this.objects = new Map();
    this.links = new Map();
  }

  add(type, id, name, { parent = null, folders = [], host = null, tenant = null, attributes = {}, status = 'unknown' } = {}) {
    const at = '2026-11-25T08:00:00Z';
    const attribute = (value) => ({ value, source: 'ssh', from: host ?? 'keystone.example', since: at, read_at: at });
    const object = { key: `${type}/${id}`, type, id, name, parent, folders, host, tenant, status, stale: null, checks: [], causes: [], attributes: Object.fromEntries(Object.entries({ id, ...attributes }).map(([name, value]) => [name, attribute(value)])) };
    this.objects.set(object.key, object);
    return object;
  }

  link(type, source, target, { status = 'unknown', state = 'up', name = null } = {}) {
    this.links.set(`${type} ${source} ${target}`, { type, source, target, distinct: null, name, state, status, implicit: false, host: this.objects.get(source)?.host ?? null, attributes: {} });
  }

  /** Makes the present state a version. Objects are replaced, never changed, so that versions may share them. */
  commit(at, cause, name = null, pinned = false) {
    const last = this.versions.at(-1);
    const version = { number: (last?.number ?? 0) + 1, at, cause, name, pinned, objects: new Map(this.objects), links: new Map(this.links) };
    index(version);
    this.versions.push(version);
    return version;
  }

  change(key, changes) {
    const object = { ...this.objects.get(key), ...changes };
    this.objects.set(key, object);
    return object;
  }

  at(at) {
    if (!at) return this.versions.at(-1);
    return this.versions.find(({ name, number }) => name === at || String(number) === at) ?? this.versions.findLast((version) => Date.parse(version.at) <= Date.parse(at));
  }

  say(severity, text, objects, at, source = 'Netwright') {
    const message = { id: this.nextMessage++, severity, source, text, at, received_at: at, objects: objects.map((key) => ref(key)), viewed: false };
    this.messages.push(message);
    return message;
  }
}

export const ref = (key) => ({ type: key.slice(0, key.indexOf('/')), id: key.slice(key.indexOf('/') + 1) });

function index(version) {
  version.children = new Map();
  version.at_object = new Map();
  for (const object of version.objects.values()) push(version.children, object.parent ?? '', object);
  for (const link of version.links.values()) {
    push(version.at_object, link.source, link);
    push(version.at_object, link.target, link);
  }
}

function push(map, key, value) {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

export const brief = ({ key, type, id, name, parent, host, tenant, status, stale }) => ({ key, type, id, name, parent, host, tenant, status, stale });

export function ancestry(version, object) {
  const out = [];
  for (let at = object; at; at = at.parent && version.objects.get(at.parent)) out.unshift(at);
  return out;
}

function way(world, version, object, folderPart, objectPart) {
  let path = `/${world.name}`;
  let above = world.name;
  for (const step of ancestry(version, object)) {
    let id = above;
    for (const folder of step.folders) path += `/${folderPart(folder, (id += `-${folder.name}`))}`;
    path += `/${objectPart(step)}`;
    above = step.id;
  }
  return path;
}

export function detail(world, version, object) {
  const links = (version.at_object.get(object.key) ?? []).map((link) => named(version, link));
  return {
    ...brief(object),
    id_path: way(world, version, object, (_, id) => id, ({ id }) => id),
    name_path: way(world, version, object, ({ text }) => text, ({ name }) => name),
    attributes: object.attributes, checks: object.checks, causes: object.causes, links,
    has_clique: ['instance', 'vservice', 'network'].includes(object.type) && links.length > 0,
  };
}

export const named = (version, link) => ({ ...link, source_name: version.objects.get(link.source)?.name ?? null, target_name: version.objects.get(link.target)?.name ?? null });

export function tree(world, version, key, folders) {
  const rows = new Map();
  const objects = [];
  for (const object of version.children.get(key ?? '') ?? []) {
    if (object.folders.length < folders.length || !folders.every((name, i) => object.folders[i].name === name)) continue;
    const folder = object.folders[folders.length];
    if (!folder) objects.push({ object: { ...brief(object), children: version.children.get(object.key)?.length ?? 0 } });
    else {
      const id = `${key ? ref(key).id : world.name}-${[...folders, folder.name].join('-')}`;
      const row = rows.get(folder.name) ?? { folder: { id, text: folder.text, key, folders: [...folders, folder.name], count: 0 } };
      row.folder.count++;
      rows.set(folder.name, row);
    }
  }
  return [...rows.values(), ...objects.sort((a, b) => (a.object.name < b.object.name ? -1 : 1))];
}

/** Slots as the server gives them: a layer has rows of 48. */
function positions(objects) {
  const taken = new Map();
  const out = new Map();
  for (const { key, type } of [...objects].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const layer = LAYER[type] ?? 9;
    const n = taken.get(layer) ?? 0;
    taken.set(layer, n + 1);
    out.set(key, { x: n % 48, y: layer * 32 + Math.floor(n / 48) });
  }
  return out;
}

export function picture(version, keys, links) {
  const objects = [...keys].map((key) => version.objects.get(key)).filter(Boolean);
  const shown = new Set(objects.map(({ key }) => key));
  const at = positions(objects);
  return { nodes: objects.map((object) => ({ ...brief(object), position: at.get(object.key) })), links: links.filter(({ source, target }) => shown.has(source) && shown.has(target)).map((link) => named(version, link)) };
}

/** Everything within some links. */
export function around(version, starts, depth, type, limit) {
  const seen = new Set(starts);
  const links = new Set();
  let edge = starts;
  for (let i = 0; i < depth; i++) {
    const next = [];
    for (const key of edge) {
      for (const link of version.at_object.get(key) ?? []) {
        if (type && link.type !== type) continue;
        const other = link.source === key ? link.target : link.source;
        if (!seen.has(other) && seen.size >= limit) return { ...picture(version, seen, [...links]), truncated: true };
        links.add(link);
        if (!seen.has(other)) next.push(other);
        seen.add(other);
      }
    }
    edge = next;
  }
  return { ...picture(version, seen, [...links]), truncated: false };
}

const STEPS = ['instance-vnic', 'vservice-vnic', 'vnic-vconnector', 'vconnector-vedge', 'vedge-otep', 'otep-host_pnic', 'host_pnic-network'];
/** From the workload outwards, along the kinds of links in order. */
export function clique(version, focal, constraints) {
  const nodes = new Set([focal]);
  const links = [];
  for (const type of STEPS) {
    for (const key of [...nodes]) {
      for (const link of version.at_object.get(key) ?? []) {
        if (link.type !== type || link.source !== key) continue;
        nodes.add(link.target);
        links.push(link);
      }
    }
  }
  const drawn = picture(version, nodes, links);
  return { ...drawn, focal, clique_type: ref(focal).type, constraints, status: drawn.nodes.reduce((level, { status }) => worse(level, status), 'ok') };
}

export function shortest(version, from, to) {
  const back = new Map([[from, null]]);
  let edge = [from];
  while (edge.length && !back.has(to)) {
    const next = [];
    for (const key of edge) {
      for (const link of version.at_object.get(key) ?? []) {
        const other = link.source === key ? link.target : link.source;
        if (back.has(other)) continue;
        back.set(other, { link, from: key });
        next.push(other);
      }
    }
    edge = next;
  }
  if (!back.has(to)) return [];
  const nodes = [to];
  const links = [];
  for (let at = back.get(to); at; at = back.get(at.from)) {
    nodes.unshift(at.from);
    links.unshift(at.link);
  }
  return [picture(version, nodes, links)];
}

/** The top of the tree, opened level by level while no more than `limit` nodes come of it. */
export function overview(version, open, limit) {
  let shown = [...(version.children.get('') ?? [])];
  for (;;) {
    const deeper = shown.flatMap((object) => version.children.get(object.key) ?? []);
    const next = [...shown, ...deeper.filter((object) => !shown.includes(object))];
    if (!deeper.length || next.length > limit || next.length === shown.length) break;
    shown = next;
  }
  const holders = new Set(shown.map(({ key }) => key));
  for (const key of open) for (const child of version.children.get(key) ?? []) holders.add(child.key);
  const holder = new Map();
  const nodes = new Map();
  for (const object of version.objects.values()) {
    const top = ancestry(version, object).findLast(({ key }) => holders.has(key));
    if (!top) continue;
    holder.set(object.key, top.key);
    const node = nodes.get(top.key) ?? { key: top.key, type: top.type, id: top.id, name: top.name, counts: {}, status: 'ok', stale: 0, closed: false };
    node.counts[object.type] = (node.counts[object.type] ?? 0) + 1;
    node.status = worse(node.status, object.status);
    node.stale += object.stale ? 1 : 0;
    node.closed ||= top !== object;
    nodes.set(top.key, node);
  }
  const edges = new Map();
  for (const link of version.links.values()) {
    const [a, b] = [holder.get(link.source), holder.get(link.target)];
    if (!a || !b || a === b) continue;
    const edge = edges.get(`${a} ${b}`) ?? { source: a, target: b, counts: {}, status: 'ok' };
    edge.counts[link.type] = (edge.counts[link.type] ?? 0) + 1;
    edge.status = worse(edge.status, link.status);
    edges.set(`${a} ${b}`, edge);
  }
  const at = positions([...nodes.values()]);
  return { version: version.number, nodes: [...nodes.values()].map((node) => ({ ...node, position: at.get(node.key) })), links: [...edges.values()] };
}

export function impact(version, failed) {
  const seen = new Set(failed);
  const hit = [];
  let edge = failed;
  for (let distance = 1; edge.length; distance++) {
    const next = [];
    for (const key of edge) {
      const below = (version.children.get(key) ?? []).map((child) => [child.key, null]);
      const along = (version.at_object.get(key) ?? []).filter((link) => link.target === key).map((link) => [link.source, link.type]);
      for (const [other, type] of [...below, ...along]) {
        if (seen.has(other) || !version.objects.has(other)) continue;
        seen.add(other);
        next.push(other);
        hit.push({ ...brief(version.objects.get(other)), because_of: key, along: type, distance });
      }
    }
    edge = next;
  }
  const by = (of) => hit.reduce((counts, object) => ((counts[of(object) ?? ''] = (counts[of(object) ?? ''] ?? 0) + 1), counts), {});
  return { version: version.number, failed, counts: { total: hit.length, by_type: by(({ type }) => type), by_tenant: by(({ tenant }) => tenant), by_place: by(({ host }) => host), by_network: {} }, hit };
}

export function diff(before, after, tenant) {
  const objects = [];
  const health = [];
  for (const [key, object] of after.objects) {
    const old = before.objects.get(key);
    if (old === object) continue;
    const base = { type: object.type, id: object.id, name: object.name, tenant: object.tenant ?? undefined };
    if (!old) objects.push({ ...base, kind: 'added' });
    else {
      const attributes = Object.keys(object.attributes).filter((name) => object.attributes[name].value !== old.attributes[name]?.value).map((name) => ({ name, before: old.attributes[name]?.value, after: object.attributes[name].value }));
      const moved = old.host !== object.host;
      if (moved) objects.push({ ...base, kind: 'moved', place_before: old.host, place_after: object.host, attributes });
      else if (attributes.length) objects.push({ ...base, kind: 'changed', attributes });
      if (old.status !== object.status) health.push({ subject: { object: ref(key) }, before: old.status, after: object.status, text: object.checks[0]?.text ?? '' });
    }
  }
  for (const [key, old] of before.objects) if (!after.objects.has(key)) objects.push({ type: old.type, id: old.id, name: old.name, tenant: old.tenant ?? undefined, kind: 'removed' });
  const side = (one, other, kind) => [...one.links].filter(([key]) => !other.links.has(key)).map(([, { type, source, target }]) => ({ link_type: type, source: ref(source), target: ref(target), kind }));
  const links = [...side(after, before, 'added'), ...side(before, after, 'removed')];
  const kept = tenant ? objects.filter((change) => change.tenant === tenant) : objects;
  const by_tenant = {};
  for (const { tenant = '', kind } of kept) (by_tenant[tenant] ??= {})[kind] = (by_tenant[tenant][kind] ?? 0) + 1;
  const focals = new Set(links.flatMap(({ source, target }) => [source, target]).filter(({ type }) => type === 'instance').map(({ id }) => id));
  const cliques = [...focals].map((id) => ({ focal: { type: 'instance', id }, clique_type: 'instance', kind: 'changed', links_added: links.filter(({ kind, source }) => kind === 'added' && source.id === id), links_removed: links.filter(({ kind, source }) => kind === 'removed' && source.id === id), health_before: 'ok', health_after: 'ok' }));
  const kinds = (all) => all.reduce((counts, { kind }) => ((counts[kind] = (counts[kind] ?? 0) + 1), counts), {});
  const told = ({ number, at }) => ({ number, at });
  const totals = { objects: kinds(kept), links: kinds(links), health: health.length, cliques: cliques.length };
  return { lists: { objects: kept, links, health, cliques }, answer: { before: told(before), after: told(after), totals, by_tenant, more_cliques: false } };
}

/** What changed and what it is linked to; nothing here is so much that it would have to be counted. */
export function changesPicture(before, after, tenant) {
  const { lists } = diff(before, after, tenant);
  const own = new Map(lists.objects.map(({ type, id, kind }) => [`${type}/${id}`, kind]));
  const changed = new Map(lists.links.map((link) => [`${link.link_type} ${link.source.type}/${link.source.id} ${link.target.type}/${link.target.id}`, link.kind]));
  const keys = new Set(own.keys());
  const links = new Map([...before.links, ...after.links].filter(([key, { source, target }]) => own.has(source) || own.has(target) || changed.has(key)));
  for (const { source, target } of links.values()) keys.add(source).add(target);
  const nodes = [...keys].map((key) => after.objects.get(key) ?? before.objects.get(key)).filter(Boolean);
  const at = positions(nodes);
  return {
    before: before.number,
    after: after.number,
    nodes: nodes.map(({ key, type, id, name, status }) => ({ key, type, id, name, own: own.get(key) ?? null, changes: own.has(key) ? { [own.get(key)]: 1 } : {}, status, closed: false, position: at.get(key) })),
    links: [...links].map(([key, { source, target, type }]) => ({ source, target, counts: { [type]: 1 }, changes: changed.has(key) ? { [changed.get(key)]: 1 } : {} })),
  };
}

const FIELDS = ['name', 'id', 'ip', 'mac', 'cidr', 'serial'];
export function search(version, q, limit) {
  const text = q.toLowerCase();
  const hits = [];
  for (const object of version.objects.values()) {
    const value = (field) => String((field === 'name' ? object.name : object.attributes[field]?.value) ?? '').toLowerCase();
    const field = FIELDS.find((name) => value(name).includes(text));
    if (field) hits.push({ ...brief(object), field, matched: value(field) === text ? 'exact' : value(field).startsWith(text) ? 'prefix' : 'part' });
  }
  const order = ['exact', 'prefix', 'part'];
  hits.sort((a, b) => order.indexOf(a.matched) - order.indexOf(b.matched));
  return { version: version.number, results: hits.slice(0, limit), total: hits.length };
}

const folder = (name, text) => ({ name, text });

/** A cloud of hosts with instances, drawn out in full: bridges, tunnels, NICs, switches, networks. */
export function cloud(name, { hosts = 4, instances = 3 } = {}) {
  const world = new World(name);
  const region = world.add('region', 'RegionOne', 'RegionOne', { folders: [folder('regions', 'Regions')] }).key;
  const zone = world.add('availability_zone', 'nova', 'nova', { parent: region, folders: [folder('availability_zones', 'Availability Zones')] }).key;
  const projects = ['payments', 'media', 'lab'].map((project) => world.add('project', project, project, { parent: region, folders: [folder('projects', 'Projects')], tenant: project }));
  const networks = projects.map(({ key, id }, i) => world.add('network', `net-${id}`, `${id}-net`, { parent: key, folders: [folder('networks', 'Networks')], tenant: id, status: 'ok', attributes: { cidr: `10.${i}.0.0/16`, 'provider:segmentation_id': 700 + i } }));
  for (let h = 1; h <= hosts; h++) host(world, zone, networks, h, instances);
  world.commit('2026-11-18T00:00:00Z', 'scan 1', 'as designed', true);
  return world;
}

function host(world, zone, networks, h, instances) {
  const name = `compute-${h}`;
  const rack = Math.ceil(h / 24);
  const key = world.add('host', name, name, { parent: zone, host: name, status: 'ok', attributes: { os: 'Debian 13', cpus: 64 } }).key;
  const within = (type, id, text, more = {}) => world.add(type, id, id, { parent: key, host: name, status: 'ok', folders: [folder(...text)], ...more }).key;
  const sw = world.objects.get(`switch/leaf-${rack}`)?.key ?? world.add('switch', `leaf-${rack}`, `leaf-${rack}`, { folders: [folder('switches', 'Switches')], status: 'ok', attributes: { serial: `FDO2${rack}AB` } }).key;
  const port = world.add('switch_pnic', `leaf-${rack}/Ethernet1/${h}`, `Ethernet1/${h}`, { parent: sw, folders: [folder('ports', 'Ports')], status: 'ok' }).key;
  const nic = within('host_pnic', `${name}-eno1`, ['pnics', 'pNICs'], { attributes: { mac: `52:54:00:00:${hex(h >> 8)}:${hex(h)}` } });
  const edge = within('vedge', `${name}-br-int`, ['vedges', 'vEdges']);
  const tunnel = within('otep', `${name}-otep`, ['vedges', 'vEdges'], { attributes: { ip: `192.0.2.${h % 250}` } });
  world.link('switch_pnic-switch', port, sw);
  world.link('host_pnic-switch_pnic', nic, port, { status: 'ok' });
  world.link('otep-host_pnic', tunnel, nic, { status: 'ok' });
  world.link('vedge-otep', edge, tunnel, { status: 'ok' });
  for (const network of networks) world.link('host_pnic-network', nic, network.key, { status: 'ok' });
  for (let i = 1; i <= instances; i++) {
    const network = networks[(h + i) % networks.length];
    const instance = within('instance', `i-${h}-${i}`, ['instances', 'Instances'], { tenant: network.tenant, attributes: { ip: `10.${(h + i) % 3}.${h % 250}.${i}`, flavor: 'm1.small' } });
    world.change(instance, { name: `${network.tenant}-web-${h}-${i}` });
    const vnic = world.add('vnic', `tap-${h}-${i}`, `tap-${h}-${i}`, { parent: instance, host: name, tenant: network.tenant, folders: [folder('vnics', 'vNICs')], attributes: { mac: `fa:16:3e:${hex(h >> 8)}:${hex(h)}:${hex(i)}`, network: network.id } }).key;
    const bridge = within('vconnector', `qbr-${h}-${i}`, ['vconnectors', 'vConnectors']);
    world.link('instance-vnic', instance, vnic, { status: 'ok' });
    world.link('vnic-vconnector', vnic, bridge, { status: 'ok' });
    world.link('vconnector-vedge', bridge, edge, { status: 'ok' });
  }
}

const hex = (n) => (n & 255).toString(16).padStart(2, '0');

/** One with a history and some trouble: what pages and pictures are shown with. */
export function troubled(name = 'prod', size) {
  const world = cloud(name, size);
  const at = '2026-11-25T10:00:00Z';
  const nic = 'host_pnic/compute-2-eno1';
  const check = { check: 'carrier', status: 'error', text: 'NO-CARRIER on eno1 since 09:58', at, source: 'Sensu', stale: false };
  world.change(nic, { status: 'error', checks: [check] });
  const because = { cause: nic, because: 'NIC eno1 of compute-2 has no link', effect: 'error', chain: [nic, 'otep/compute-2-otep', 'vedge/compute-2-br-int'] };
  for (const key of ['otep/compute-2-otep', 'vedge/compute-2-br-int']) world.change(key, { status: 'error', causes: [because] });
  world.change('instance/i-2-1', { status: 'error', causes: [{ ...because, chain: [...because.chain, 'instance/i-2-1'] }] });
  world.commit('2026-11-24T20:00:00Z', 'checks');
  const instance = world.objects.get('instance/i-1-1');
  world.change('instance/i-1-1', { attributes: { ...instance.attributes, flavor: { ...instance.attributes.flavor, value: 'm1.large', source: 'nova', others: [{ ...instance.attributes.flavor, value: 'm1.small' }] } } });
  world.change('instance/i-3-2', { stale: { since: '2026-11-25T08:00:00Z', reason: 'compute-3 did not answer within 60 s' }, status: 'ok' });
  world.add('instance', 'i-4-9', 'media-batch', { parent: 'host/compute-4', host: 'compute-4', tenant: 'media', folders: [folder('instances', 'Instances')], attributes: { ip: '10.1.4.9' }, status: 'ok' });
  world.link('instance-vnic', 'instance/i-4-9', 'vnic/tap-4-2');
  world.objects.delete('instance/i-4-1');
  world.links.delete('instance-vnic instance/i-4-1 vnic/tap-4-1');
  world.change('instance/i-1-2', { host: 'compute-3', parent: 'host/compute-3' });
  world.commit(at, 'scan 2');
  world.say('error', 'NO-CARRIER on eno1', [nic, 'host/compute-2'], at, 'Sensu');
  world.say('warning', 'compute-3 did not answer within 60 s', ['host/compute-3'], '2026-11-25T08:00:00Z');
  world.say('info', 'scan 2 made version 3', [], at);
  return world;
}
