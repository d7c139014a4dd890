// The parts of the console that need no browser, loaded through Vite as the build does.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

let vite;
const load = (name) => vite.ssrLoadModule(`/src/lib/${name}`);
before(async () => {
  vite = await createServer({ root: fileURLToPath(new URL('..', import.meta.url)), server: { middlewareMode: true, hmr: false, ws: false }, appType: 'custom', logLevel: 'error', optimizeDeps: { noDiscovery: true } });
});
after(() => vite.close());

test('an event stream may be cut anywhere', async () => {
  const { EventParser } = await load('sse.ts');
  const text = ': hi\r\nevent: change\r\nid: 7\r\ndata: {"a":\r\ndata: 1}\r\n\r\nevent: hello\ndata:x\n\ndata\n\nevent: lost\n\nid: 8\ndata: y\r\r';
  const expected = [
    { type: 'change', data: '{"a":\n1}', id: '7' },
    { type: 'hello', data: 'x', id: '7' },
    { type: 'message', data: '', id: '7' },
    { type: 'message', data: 'y', id: '8' },
  ];
  for (let size = 1; size <= text.length; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
    events.push(...parser.push('\n')); // ends the last CR, which might have been half of a CR LF
    assert.deepEqual(events, expected, `pieces of ${size}`);
  }
});

test('many requests cost two runs, and runs do not overlap', async () => {
  const { coalesce } = await load('coalesce.ts');
  let running = 0;
  let runs = 0;
  let finish;
  const second = new Promise((done) => {
    const ask = coalesce(async () => {
      assert.equal(++running, 1);
      await new Promise((resolve) => (finish = resolve));
      running--;
      if (++runs === 2) done();
    }, 1);
    for (let i = 0; i < 100; i++) ask();
    setImmediate(function again() {
      if (!finish) return setImmediate(again);
      for (let i = 0; i < 100; i++) ask();
      finish();
      finish = undefined;
      setImmediate(function last() {
        if (!finish) return setImmediate(last);
        finish();
      });
    });
  });
  await second;
  assert.equal(runs, 2);
});

test('the arrow keys reach every direction and stay in it', async () => {
  const { nearest } = await load('walk.ts');
  const from = { id: 'o', x: 0, y: 0 };
  const spots = [from, { id: 'right', x: 5, y: 1 }, { id: 'far', x: 9, y: 0 }, { id: 'up', x: 1, y: 4 }, { id: 'left', x: -3, y: 0 }];
  assert.equal(nearest(from, 'ArrowRight', spots), 'right');
  assert.equal(nearest(from, 'ArrowUp', spots), 'up');
  assert.equal(nearest(from, 'ArrowLeft', spots), 'left');
  assert.equal(nearest(from, 'ArrowDown', spots), undefined);
});

test('numbers and times are short and exact', async () => {
  const { bytes, count, duration, plural, rate, utc } = await load('format.ts');
  assert.equal(count(1204567), '1,204,567');
  assert.equal(plural(1, 'port'), '1 port');
  assert.equal(plural(0, 'port'), '0 ports');
  assert.equal(bytes(1023), '1,023 B');
  assert.equal(bytes(1536), '1.5 KiB');
  assert.equal(rate(999), '999');
  assert.equal(rate(12_345), '12.3 k');
  assert.equal(duration(-5), '0 s');
  assert.equal(duration(59_999), '59 s');
  assert.equal(duration(3_600_000), '1 h');
  assert.equal(utc('2026-03-01T12:00:00.123456Z'), '2026-03-01 12:00:00 UTC');
});

test('lists and the map kept by events equal those read anew', async () => {
  const { Cloud, start } = await import('./mock.mjs');
  globalThis.sessionStorage = { getItem: () => null, setItem: () => {} };
  const { LiveList, networkSource, portSource } = await load('list.svelte.ts');
  const { GraphModel } = await load('graph.svelte.ts');
  const cloud = new Cloud();
  const server = await start({ cloud });
  const { fetch } = globalThis;
  globalThis.fetch = (path, init) => fetch(server.url + path, init);
  try {
    for (const name of ['h1', 'h2']) cloud.addHost(name, '192.0.2.1');
    for (const name of ['a', 'b']) cloud.subnet({ network_id: cloud.network({ name }).id, cidr: '10.0.0.0/24' });
    const [first] = cloud.networks.keys();
    const filters = [[portSource, {}], [portSource, { network: first }], [portSource, { host: 'h1' }], [portSource, { state: 'DOWN' }], [networkSource, {}]];
    const lists = filters.map(([source]) => new LiveList(source));
    await Promise.all(lists.map((list, i) => list.load(filters[i][1])));
    const graph = new GraphModel();
    graph.replace(cloud.graph());
    const takers = [...lists, graph];
    // What the server would send, handed over directly.
    cloud.streams.add({ destroy() {}, write: (frame) => tell(takers, frame) });
    const random = seeded(Number(process.env.SEED ?? 20260301));
    for (let step = 0; step < 300; step++) {
      churn(cloud, random);
      // Reads are on their way while changes are told.
      if (step % 30 === 0) for (const [i, list] of lists.entries()) void list.load(filters[i][1]);
      if (step % 10 === 0) graph.read();
      if (step % 5 === 0) await new Promise(setImmediate);
    }
    for (const [i, list] of lists.entries()) {
      const [source, query] = filters[i];
      const fresh = await source.read({ ...query, limit: 1000 }, new AbortController().signal);
      await settled(() => JSON.stringify(list.rows) === JSON.stringify(fresh.rows) && list.total === fresh.total, `list ${i}`);
      list.close();
    }
    const shape = (model) => JSON.stringify([model.graph.nodes().sort().map((id) => [id, model.graph.getNodeAttributes(id)]), model.graph.edges().sort().map((id) => [id, model.graph.extremities(id)])]);
    const anew = new GraphModel();
    anew.replace(cloud.graph());
    await settled(() => shape(graph) === shape(anew), 'the graph');
    graph.close();
  } finally {
    globalThis.fetch = fetch;
    await server.close();
  }
});

function tell(takers, frame) {
  const [, type] = /^event: (.*)$/m.exec(frame);
  const data = JSON.parse(/^data: (.*)$/m.exec(frame)[1]);
  const event = type === 'change' ? { type, change: data } : type === 'host' ? { type, host: data } : { type, ports: data.ports };
  for (const taker of takers) taker.take(event);
}

/** One random change of the cloud. */
function churn(cloud, random) {
  const pick = (map) => [...map.values()][Math.floor(random() * map.size)];
  const port = pick(cloud.ports);
  const dice = random();
  if (dice < 0.4 || !port) cloud.port({ name: `p${Math.floor(random() * 50)}`, network_id: pick(cloud.networks).id, 'binding:host_id': random() < 0.5 ? pick(cloud.hosts).name : '' });
  else if (dice < 0.6) cloud.remove('ports', port.id);
  else if (dice < 0.7) cloud.setState(port, ['ACTIVE', 'DOWN', 'BUILD', 'ERROR'][Math.floor(random() * 4)], null);
  else if (dice < 0.8) {
    port.host = random() < 0.3 ? null : pick(cloud.hosts).name;
    cloud.changed('ports', 'update', port);
  } else if (dice < 0.9) {
    cloud.count(port, 'no-rule', 1);
    cloud.tell([port]);
  } else cloud.network({ name: `n${Math.floor(random() * 9)}` });
}

/** Marsaglia's xorshift32: the same history for the same seed. */
function seeded(seed) {
  let x = seed | 0 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** Waits, turn by turn, for what coalesced reads lead to. */
async function settled(condition, what) {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what} never became what the server has`);
    await new Promise((next) => setTimeout(next, 5));
  }
}

test('a picture keeps the server’s layers and slots, and nothing covers another', async () => {
  const { arrange } = await load('topology/place.ts');
  const slots = new Map([['a', { x: 0, y: 0 }], ['b', { x: 1, y: 0 }], ['c', { x: 0, y: 5 * 32 }], ['d', { x: 0, y: 5 * 32 + 1 }], ['twice', { x: 0, y: 0 }], ['lost', null]]);
  const at = arrange(slots);
  assert.equal(at.size, slots.size);
  assert.equal(new Set([...at.values()].map(({ x, y }) => `${x} ${y}`)).size, slots.size);
  // Layers run along one axis, in their order, and a layer’s rows stay together.
  const along = (id) => (at.get('a').x === at.get('b').x ? at.get(id).x : -at.get(id).y);
  assert.equal(along('a'), along('b'));
  assert.ok(along('a') < along('c') && along('c') < along('d') && along('d') < along('lost'));
  // Another object far away moves nobody within its own layer.
  const more = arrange(new Map([...slots, ['e', { x: 1, y: 5 * 32 }]]));
  assert.equal(more.size, slots.size + 1);
});

test('what the wizard shows and sends again is the same configuration', async () => {
  const { configOf, credentialsOf, faults, formOf, SOURCES } = await load('topology/settings.ts');
  // The controller's tests hold its own reading of it against the same file.
  const config = JSON.parse(readFileSync(new URL('../../../../observe/discovery/tests/it/everything.json', import.meta.url)));
  const form = formOf(config);
  assert.deepEqual(configOf(form), config);
  for (const { id, fields } of SOURCES) for (const { name } of fields) assert.ok(name.split('.').reduce((at, part) => at?.[part], config[id]) !== undefined, `${id}.${name} is in the file`);
  assert.deepEqual(credentialsOf(form), {}, 'nothing typed, nothing sent');
  const all = SOURCES.flatMap(({ secrets }) => secrets.map(({ name }) => name));
  assert.deepEqual(faults(form, all), {});
  form.removed.ssh_key = true;
  form.secrets.amqp_password = 'new';
  form.values.openstack.url = 'keystone';
  form.grants[0].right = 'edit';
  assert.deepEqual(credentialsOf(form), { amqp_password: 'new', ssh_key: '' });
  assert.deepEqual(Object.keys(faults(form, all.filter((name) => name !== 'ssh_password'))).sort(), ['openstack', 'roles', 'ssh']);
});
