// What an operator sees, on a real cloud: NETWRIGHT_URL names a `netwright up` with auth none (`netwright-lab with-cloud`
// starts one with hosts). Without it the same tests run against the mock. Everything created here is deleted again.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';
import { Neutron, browser, live, lowContrast, nodes, open, read, rows, until } from './harness.mjs';
import { sample, start } from './mock.mjs';

let base = process.env.NETWRIGHT_URL?.replace(/\/$/, '');
let mock;
let chrome;
let neutron;
let host;
let network;
let made = [];
let tabs = [];
const name = (what) => `ui-${what}-${randomUUID().slice(0, 8)}`;

before(async () => {
  if (!base) {
    mock = await start({ cloud: sample({ ports: 12 }) });
    base = mock.url;
  }
  chrome = await browser();
  neutron = new Neutron(base);
  host = (await read(base, '/hosts')).hosts.find(({ state }) => state === 'up')?.name;
  network = await neutron.create('network', { name: name('net') });
  await neutron.create('subnet', { network_id: network.id, name: name('sub'), ip_version: 4, cidr: '198.51.100.0/24' });
});
afterEach(async () => {
  for (const tab of tabs) await tab.close();
  for (const id of made) await neutron.remove('port', id).catch(() => {});
  tabs = [];
  made = [];
});
after(async () => {
  await neutron?.remove('network', network.id).catch(() => {});
  await chrome?.close();
  await mock?.close();
});

async function visit(hash, options) {
  const tab = await open(chrome, base, hash, options);
  tabs.push(tab);
  await live(tab.page);
  return tab;
}

async function port(what, attributes = {}) {
  const made_ = await neutron.create('port', { name: name(what), network_id: network.id, ...attributes });
  made.push(made_.id);
  return made_;
}

test('a port created through the API appears on the map and in the table without a reload; deleted, it goes', async () => {
  const { page, troubles } = await visit('#/map');
  await until(page, 'the network', () => nodes(page), (all) => all.some(({ id }) => id === network.id));
  await page.evaluate(() => (globalThis.sameDocument = true));
  const created = await port('new');
  const node = (await until(page, 'the port', () => nodes(page), (all) => all.some(({ id }) => id === created.id))).find(({ id }) => id === created.id);
  assert.equal(node.label, created.name);
  assert.deepEqual(node.links, [network.id]);
  assert.ok(Number.isFinite(node.x) && Number.isFinite(node.y), 'the server placed it');
  await page.getByRole('link', { name: created.name }).waitFor(); // among the recent changes
  await page.goto(`${base}/#/map?view=table&select=${created.id}`); // another page of the same document
  await until(page, 'its row', () => rows(page, 'Map as a table'), (all) => all.some(([label]) => label === created.name));
  await neutron.remove('port', created.id);
  await until(page, 'its node gone', () => nodes(page), (all) => !all.some(({ id }) => id === created.id));
  await until(page, 'its row gone', () => rows(page, 'Map as a table'), (all) => !all.some(([label]) => label === created.name));
  assert.equal(await page.evaluate(() => globalThis.sameDocument), true);
  assert.deepEqual(troubles, []);
});

test('lists follow the API: a filtered table, a network’s count, the summary', async () => {
  const { page } = await visit(`#/ports?network=${network.id}`);
  await page.getByText('No port matches').waitFor();
  const created = await port('listed');
  const [row] = await until(page, 'the row', () => rows(page, 'Ports'), (all) => all.length === 1);
  assert.equal(row[0], created.name);
  assert.match(row[2], /^198\.51\.100\./);
  await page.goto(`${base}/#/networks/${network.id}`);
  await until(page, 'its port count', () => page.locator('dt:text-is("Ports") + dd').textContent(), (text) => text === '1');
  await neutron.remove('port', created.id);
  await until(page, 'the count without it', () => page.locator('dt:text-is("Ports") + dd').textContent(), (text) => text === '0');
});

test('search finds by name, start of id, MAC and address, and opens what is chosen', async () => {
  const created = await port('sought');
  const [address] = (await read(base, `/ports/${created.id}`)).addresses;
  const { page } = await visit('#/ports');
  for (const text of [created.name, created.id.slice(0, 13), created.mac_address, created.mac_address.replaceAll(':', '-').toUpperCase(), address]) {
    await page.keyboard.press('/');
    await page.getByRole('combobox', { name: 'Search' }).fill(text);
    await page.getByRole('option').filter({ hasText: created.name }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: created.name }).waitFor();
    await page.goto(`${base}/#/ports`);
  }
});

test('everything is reached with the keyboard, and what has the focus is seen', async () => {
  const created = await port('keys');
  const { page, troubles } = await visit('#/hosts');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  for (const [key, path] of Object.entries({ m: 'map', n: 'networks', h: 'hosts', t: 'trace', p: 'ports' })) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.waitForURL(`**/#/${path}`);
  }
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('Go to Networks').waitFor();
  await page.keyboard.press('Escape');
  await page.getByLabel('Filter by text').fill(created.name);
  await until(page, 'the one row', () => rows(page, 'Ports'), (all) => all.length === 1 && all[0][0] === created.name);
  const grid = page.getByRole('grid', { name: 'Ports' });
  for (let i = 0; i < 12 && !(await grid.evaluate((element) => element === document.activeElement)); i++) await page.keyboard.press('Tab');
  const outline = await grid.evaluate((element) => getComputedStyle(element).outlineWidth);
  assert.equal(outline, '2px', 'the focus is visible');
  await page.keyboard.press('ArrowDown');
  const active = await grid.getAttribute('aria-activedescendant');
  assert.equal(await page.evaluate((id) => document.getElementById(id).dataset.id, active), created.id);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: created.name }).waitFor();
  assert.deepEqual(troubles, []);
});

test('the map is walked with the arrow keys, and its table twin has the same selection', async () => {
  await port('walk');
  const { page } = await visit('#/map');
  const all = await until(page, 'the map', () => nodes(page), (found) => found.length > 1);
  await page.getByRole('application').focus();
  const selected = () => new URLSearchParams(new URL(page.url()).hash.split('?')[1]).get('select');
  for (const key of ['ArrowRight', 'ArrowLeft', 'ArrowUp', 'ArrowDown']) await page.keyboard.press(key);
  const id = selected();
  assert.ok(all.some((node) => node.id === id), 'a node is selected, and the URL says which');
  await page.getByRole('complementary', { name: 'Selection' }).waitFor();
  await page.keyboard.press('v');
  const twin = page.getByRole('grid', { name: 'Map as a table' });
  await twin.locator('[aria-selected="true"]').waitFor();
  assert.equal(await twin.locator('[aria-selected="true"]').getAttribute('data-id'), id);
  await page.keyboard.press('Escape');
  await until(page, 'no selection', selected, (value) => value === null);
});

test('a click selects, and the legend filters picture and table alike', async () => {
  const created = await port('click');
  const { page } = await visit(`#/map?select=${created.id}`);
  await page.getByRole('complementary', { name: 'Selection' }).getByText(created.mac_address).waitFor();
  await page.getByRole('button', { name: /^Ports/ }).click();
  await page.keyboard.press('v');
  const twin = await until(page, 'only ports', () => rows(page, 'Map as a table'), (all) => all.length > 0 && all.every(([, kind]) => kind === 'Port'));
  assert.ok(twin.length > 0);
  assert.match(page.url(), /kinds=port/);
});

test('light and dark follow the system, and a choice is kept', async () => {
  const ground = (page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await visit('#/hosts', { colorScheme: 'light' });
  const dark = await visit('#/hosts', { colorScheme: 'dark' });
  const [day, night] = [await ground(light.page), await ground(dark.page)];
  assert.notEqual(day, night);
  const button = dark.page.getByRole('button', { name: /^Colours/ });
  await button.click();
  assert.equal(await ground(dark.page), day, 'light was chosen');
  await dark.page.reload();
  assert.equal(await ground(dark.page), day, 'and kept');
});

test('text keeps the contrast of WCAG AA in light and dark', async () => {
  await port('contrast');
  for (const colorScheme of ['light', 'dark']) {
    for (const hash of ['#/map', '#/hosts', `#/ports?network=${network.id}`, '#/trace']) {
      const { page } = await visit(hash, { colorScheme });
      const poor = await page.evaluate(lowContrast);
      assert.deepEqual(poor, [], `${hash} in ${colorScheme}`);
    }
  }
});

test('pages load nothing from elsewhere and log no error', async () => {
  const created = await port('quiet');
  const { page, troubles } = await visit('#/map');
  const pages = ['hosts', 'networks', 'ports', 'trace', `ports/${created.id}`, `networks/${network.id}`, ...(host ? [`hosts/${host}`] : [])];
  for (const path of pages) {
    await page.goto(`${base}/#/${path}`);
    await page.locator('main h1').waitFor();
  }
  assert.deepEqual(troubles, []);
  const response = await fetch(`${base}/`, { headers: { Accept: 'text/html' } });
  assert.match(response.headers.get('content-security-policy'), /default-src 'none'/);
});

// The lab keeps one workload sending what its port must drop, and says so by naming its namespace.
const quiet = process.env.NETWRIGHT_URL && !process.env.NETWRIGHT_NOISY_NETNS;
test('drop counters move while the page is open', { skip: quiet && 'no workload here makes its port drop anything' }, async () => {
  const { page, troubles } = await visit('#/ports?sort=-drops');
  const drops = async () => (await read(base, '/ports?limit=1000')).ports.find((found) => found.drops > 0)?.id;
  const id = mock ? (await port('drops', { 'binding:host_id': host })).id : await until(page, 'a port that drops', drops, Boolean);
  await page.goto(`${base}/#/ports/${id}`);
  await page.getByRole('region', { name: 'Counters' }).waitFor();
  const drop = () => mock && (mock.cloud.count(mock.cloud.ports.get(id), 'spoofed-source', 3), mock.cloud.tell([mock.cloud.ports.get(id)]));
  const total = () =>
    page.locator('tr[data-reason]').evaluateAll((all) => all.reduce((sum, row) => sum + Number(row.cells[1].textContent.replaceAll(',', '')), 0));
  drop();
  const first = await until(page, 'a drop reason', total, (sum) => sum > 0);
  drop();
  await until(page, 'the counter moving', total, (sum) => sum > first);
  assert.ok((await page.locator('tr[data-reason] p').first().textContent()).length > 10, 'the reason is explained');
  assert.deepEqual(troubles, []);
});
