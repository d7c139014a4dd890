// Every page of an environment on a real controller: NETWRIGHT_URL names a `netwright up` with auth none that has hosts
// (`netwright-lab with-cloud` starts one). The environment is that very cloud, read through its API like any other. The tests tell one
// story, each going on where the last one ended; everything created is deleted again.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { Neutron, browser, lowContrast, nodes, open, read, rows, until } from './harness.mjs';

const base = process.env.NETWRIGHT_URL?.replace(/\/$/, '');
const skip = !base && 'NETWRIGHT_URL names no controller';
const environment = `ui-${randomUUID().slice(0, 8)}`;
const HOME = `#/environments/${environment}`;
const CLIQUE = `${environment} ports of a network`;
const folder = process.env.SCREENSHOTS;

let chrome;
let neutron;
let network;
let ports = [];
let host;
let tab;
let troubles = [];

const topology = (path) => read(base, `/topology/environments/${environment}${path}`);

async function act(method, path, body) {
  const response = await fetch(`${base}/netwright/v1/topology${path}`, {
    method,
    headers: { 'X-Auth-Token': 'demo', 'X-Roles': 'admin', 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

before(async () => {
  if (skip) return;
  if (folder) mkdirSync(folder, { recursive: true });
  chrome = await browser();
  neutron = new Neutron(base);
  host = (await read(base, '/hosts')).hosts.find(({ state }) => state === 'up').name;
  network = await neutron.create('network', { name: `${environment}-net` });
  await neutron.create('subnet', { network_id: network.id, name: 'sub', ip_version: 4, cidr: '203.0.113.0/24' });
  await port('web');
});
afterEach(async () => {
  await tab?.close();
  tab = null;
});
after(async () => {
  if (skip) return;
  await act('DELETE', `/environments/${environment}`).catch(() => {});
  await act('DELETE', `/clique-types/${encodeURIComponent(CLIQUE)}`).catch(() => {});
  for (const { id } of ports) await neutron.remove('port', id).catch(() => {});
  await neutron.remove('network', network.id).catch(() => {});
  await chrome?.close();
});

async function port(name) {
  const made = await neutron.create('port', { name: `${environment}-${name}`, network_id: network.id, 'binding:host_id': host });
  ports.push(made);
  return made;
}

async function visit(hash, options) {
  tab = await open(chrome, base, hash, options);
  troubles = tab.troubles;
  return tab.page;
}

const query = (page) => new URLSearchParams(new URL(page.url()).hash.split('?')[1]);
const drawn = (page, what, wanted) => until(page, what, () => nodes(page), wanted);
const has = (id) => (all) => all.some((node) => node.id === id);
const panel = (page) => page.getByRole('complementary', { name: 'Selection' });
const treeItem = (page, id) => page.getByRole('tree').locator(`[data-id="${id}"]`);
const keyOf = ({ id }) => `port/${id}`;

/** Scans from the page and waits until the map has what it found. */
async function scan(page) {
  await page.goto(`${base}/${HOME}/scans`);
  const before = (await topology('/summary')).version;
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByRole('complementary', { name: /^Scan / }).getByText(/^Done/).waitFor();
  const { version } = await topology('/summary');
  assert.ok(version > before, 'the scan made a version');
  return version;
}

/** A step of the story; of one that fails there is a picture, where pictures are kept. */
function step(name, work) {
  test(name, { skip }, async () => {
    try {
      await work();
    } catch (cause) {
      if (folder) await tab?.page.screenshot({ path: `${folder}/live-failed-${name.slice(0, 20).replaceAll(' ', '-')}.png` });
      throw cause;
    }
  });
}

step('the wizard tests the connection live: what is wrong is told, what is right is kept', async () => {
  const page = await visit('#/add-environment');
  await page.getByRole('textbox', { name: 'Name' }).fill(environment);
  await page.getByRole('checkbox', { name: /^Netwright/ }).check();
  await page.getByRole('navigation', { name: 'Settings' }).or(page.locator('.tabs')).getByRole('button', { name: 'Netwright' }).first().click();
  await page.getByLabel(/^URL|^Address/).first().fill('http://127.0.0.1:1');
  await page.getByRole('button', { name: 'Test the connection' }).click();
  await page.locator('[data-reached="false"]').waitFor();
  await page.getByLabel(/^URL|^Address/).first().fill(base);
  await page.getByRole('button', { name: 'Test the connection' }).click();
  await page.locator('[data-reached="true"]').getByText(/revision/).waitFor();
  if (folder) await page.screenshot({ path: `${folder}/live-wizard.png` });
  await page.getByRole('button', { name: 'Add the environment' }).click();
  await page.waitForURL(`**/${HOME}/scans`);
  assert.deepEqual(troubles, []);
});

step('a scan is started and followed; the map draws what it found, tree and picture in step', async () => {
  const page = await visit(`${HOME}/scans`);
  await scan(page);
  await page.goto(`${base}/${HOME}`);
  const [first] = ports;
  await drawn(page, 'the port', has(keyOf(first)));
  await page.goto(`${base}/${HOME}?select=${keyOf(first)}`);
  await treeItem(page, keyOf(first)).waitFor();
  assert.equal(await treeItem(page, keyOf(first)).getAttribute('aria-selected'), 'true');
  await panel(page).getByText(first.id).first().waitFor();
  await treeItem(page, `host/${host}`).click();
  await panel(page).getByRole('heading', { name: host, exact: true }).waitFor();
  assert.equal(query(page).get('select'), `host/${host}`);
  assert.deepEqual(troubles, []);
});

step('search finds by name, id, MAC in any notation and address', async () => {
  const page = await visit(HOME);
  const [{ name, id, mac_address, fixed_ips }] = ports;
  const { objects } = await topology('/objects?type=vnic&fields=key&fields=mac_address');
  const vnic = objects.find((object) => object.mac_address === mac_address).key;
  // A port and its vNIC have an address both.
  const found = [`port/${id}`, vnic];
  for (const text of [name, id, mac_address, mac_address.replaceAll(':', '').toUpperCase(), fixed_ips[0].ip_address]) {
    await page.keyboard.press('/');
    await page.getByRole('combobox', { name: 'Search', exact: true }).fill(text);
    await page.getByRole('option').first().waitFor();
    await page.keyboard.press('Enter');
    await until(page, text, () => query(page).get('select'), (select) => found.includes(select));
    await page.goto(`${base}/${HOME}`);
  }
  assert.deepEqual(troubles, []);
});

step('what is new after a scan is drawn without a reload; the timeline goes back; the two versions are compared', async () => {
  const page = await visit(HOME);
  const before = (await topology('/summary')).version;
  await page.goto(`${base}/${HOME}/history`);
  await page.getByLabel('Snapshot of the present').fill('as designed');
  await page.getByLabel('keep as the baseline').check();
  await page.getByRole('button', { name: 'Take it' }).click();
  await until(page, 'the snapshot', () => rows(page, 'Versions'), (all) => all[0]?.[2].includes('as designed'));
  await page.goto(`${base}/${HOME}`);
  await drawn(page, 'the map', has(keyOf(ports[0])));
  const added = await port('new');
  await act('POST', '/scans', { environment });
  await drawn(page, 'the new port', has(keyOf(added)));
  await page.goto(`${base}/${HOME}/history`);
  if (folder) await page.screenshot({ path: `${folder}/live-history.png` });
  await page.goto(`${base}/${HOME}?at=${before}`);
  await drawn(page, 'the map of then', (all) => has(keyOf(ports[0]))(all) && !has(keyOf(added))(all));
  await page.goto(`${base}/${HOME}/compare`);
  await page.getByRole('region', { name: 'What to compare' }).getByRole('combobox').first().selectOption(String(before + 1)); // the snapshot is a version of its own
  await page.getByText('2 added').waitFor();
  const all = await drawn(page, 'the overlay', has(keyOf(added)));
  assert.equal(all.find(({ id }) => id === keyOf(added)).change, 'added');
  if (folder) await page.screenshot({ path: `${folder}/live-compare.png` });
  await page.getByRole('group', { name: 'What to show' }).getByRole('button', { name: /^Objects/ }).click();
  await until(page, 'the list', () => rows(page, 'Differences'), (list) => list.some(([kind, name]) => kind === 'Added' && name === added.name));
  assert.deepEqual(troubles, []);
});

step('a clique type is added and its clique drawn, with its constraint', async () => {
  const page = await visit('#/clique-types');
  await page.getByRole('button', { name: 'Add a clique type' }).click();
  const form = page.getByRole('form', { name: 'New clique type' });
  await form.getByRole('textbox', { name: 'Name' }).fill(CLIQUE);
  await form.getByLabel('Starts at').selectOption('vnic');
  for (const link of ['vnic-vedge', 'vedge-otep']) {
    await form.getByLabel('Another step').selectOption(link);
    await form.getByRole('button', { name: 'Add', exact: true }).first().click();
  }
  await form.getByRole('button', { name: 'Add', exact: true }).last().click();
  await until(page, 'the new type', () => rows(page, 'Clique types'), (all) => all.some(([name]) => name === CLIQUE));
  const { objects } = await topology('/objects?type=vnic');
  const vnic = objects[0].key;
  await page.goto(`${base}/${HOME}?select=${encodeURIComponent(vnic)}`);
  await panel(page).getByRole('button', { name: 'Clique' }).click();
  const clique = await drawn(page, 'the clique', (all) => all.length === 3);
  assert.deepEqual(clique.map(({ type }) => type).sort(), ['otep', 'vedge', 'vnic']);
  if (folder) await page.screenshot({ path: `${folder}/live-clique.png` });
  assert.deepEqual(troubles, []);
});

step('impact of a host: counts, list, export', async () => {
  const page = await visit(`${HOME}/impact?objects=host/${host}`);
  await page.getByRole('region', { name: 'By type' }).getByText('vEdge').waitFor();
  await until(page, 'the list', () => rows(page, 'Hit objects'), (all) => all.length >= 2);
  if (folder) await page.screenshot({ path: `${folder}/live-impact.png` });
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV' }).click();
  assert.equal((await saved).suggestedFilename(), `impact-${environment}.csv`);
  assert.deepEqual(troubles, []);
});

step('a failed check is seen on the map, in the messages, and from each to the other', async () => {
  const page = await visit(HOME);
  await drawn(page, 'the map', has(`host/${host}`));
  await act('POST', `/environments/${environment}/checks`, {
    results: [{ target: { object: { object: { type: 'host', id: host } } }, check: 'ping', level: 'error', text: 'no answer for 30 s', at: new Date().toISOString(), source: 'Sensu' }],
  });
  await drawn(page, 'the failure', (all) => all.find(({ id }) => id === `host/${host}`)?.status === 'error');
  await page.goto(`${base}/${HOME}?select=host/${host}`);
  await panel(page).getByRole('region', { name: 'Checks' }).getByText('no answer for 30 s').waitFor();
  if (folder) await page.screenshot({ path: `${folder}/live-map.png` });
  await panel(page).getByRole('link', { name: 'All messages about it' }).click();
  await page.getByRole('grid', { name: 'Messages' }).getByText('no answer for 30 s').click();
  if (folder) await page.screenshot({ path: `${folder}/live-messages.png` });
  await page.getByRole('complementary', { name: 'Message' }).getByRole('link', { name: host }).click();
  await panel(page).getByRole('heading', { name: host, exact: true }).waitFor();
  assert.deepEqual(troubles, []);
});

step('a schedule makes reports: read in the page, saved, and found again', async () => {
  const page = await visit(`${HOME}/scans`);
  const form = page.getByRole('form', { name: 'Add a schedule' });
  await form.getByRole('textbox', { name: 'Name' }).fill(`${environment} weekly`);
  await form.getByLabel('Does').selectOption('report');
  await form.getByLabel('Since').selectOption('as designed');
  await form.getByRole('button', { name: 'Add' }).click();
  const row = page.locator(`[data-schedule="${environment} weekly"]`);
  await row.getByText(/^in /).waitFor();
  if (folder) await page.screenshot({ path: `${folder}/live-schedules.png` });
  await row.getByRole('button', { name: 'Run now' }).click();
  await row.getByRole('link', { name: /changes since/ }).click();
  const report = await until(page, 'the report', () => rows(page, 'Reports'), (all) => all.length === 1);
  assert.match(report[0][3], /difference/);
  await page.getByRole('grid', { name: 'Reports' }).locator('[data-id]').first().click();
  const aside = page.getByRole('complementary', { name: /^Report / });
  await aside.getByRole('region', { name: 'Objects' }).getByText(ports[1].name).waitFor();
  if (folder) await page.screenshot({ path: `${folder}/live-reports.png` });
  const saved = page.waitForEvent('download');
  await aside.getByRole('button', { name: 'HTML' }).click();
  assert.match((await saved).suggestedFilename(), /^report-.*\.html$/);
  assert.deepEqual(troubles, []);
});

step('pages are readable in light and dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await visit(HOME, { colorScheme });
    for (const part of ['', '/objects', '/path', `/impact?objects=host/${host}`, '/history', '/compare?from=as designed', '/messages', '/scans', '/reports']) {
      await page.goto(`${base}/${HOME}${part}`);
      await page.locator('main > header h1').waitFor();
      await until(page, 'all read', () => page.locator('main').getByText(/on (its|their) way/).count(), (count) => count === 0);
      assert.deepEqual(await page.evaluate(lowContrast), [], `${part} in ${colorScheme}`);
    }
    assert.deepEqual(troubles, []);
    await tab.close();
    tab = null;
  }
});

step('settings are changed and kept; the environment is deleted', async () => {
  const page = await visit(`${HOME}/settings`);
  await page.locator('main > header h1').waitFor();
  if (folder) await page.screenshot({ path: `${folder}/live-settings.png` });
  await page.getByRole('button', { name: /^Delete/ }).first().click();
  const dialog = page.getByRole('dialog');
  const typed = dialog.getByRole('textbox');
  if (await typed.count()) await typed.fill(environment);
  await dialog.getByRole('button', { name: /^Delete/ }).click();
  await page.waitForURL('**/#/environments');
  const { environments } = await read(base, '/topology/environments');
  assert.ok(!environments.some(({ name }) => name === environment));
  assert.deepEqual(troubles, []);
});
