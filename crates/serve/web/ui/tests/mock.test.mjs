// What a real cloud cannot be made to do on demand: refuse a token, break the stream, reset it, be empty, be huge.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { browser, live, nodes, open, rows, until } from './harness.mjs';
import { Cloud, sample, start } from './mock.mjs';

let chrome;
let closing = [];
before(async () => (chrome = await browser()));
after(() => chrome.close());
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function serve(options) {
  const server = await start(options);
  closing.push(server.close);
  return server;
}

async function visit(base, hash, options) {
  const tab = await open(chrome, base, hash, options);
  closing.push(tab.close);
  return tab;
}

test('a token is asked for, sent with every request, and kept in this tab only', async () => {
  const { url } = await serve({ cloud: sample({ ports: 5 }), token: 'secret' });
  const { page } = await visit(url, '#/ports');
  const dialog = page.getByRole('dialog');
  await dialog.getByText('openstack token issue').waitFor();
  await dialog.getByLabel('Token', { exact: true }).fill('wrong');
  await dialog.getByRole('button', { name: 'Use token' }).click();
  await dialog.getByText('The token is no longer good').waitFor();
  await dialog.getByLabel('Token', { exact: true }).fill('secret');
  await dialog.getByRole('button', { name: 'Use token' }).click();
  await live(page);
  await until(page, 'the ports', () => rows(page, 'Ports'), (all) => all.length === 5);
  assert.equal(await page.evaluate(() => sessionStorage.getItem('netwright.token')), 'secret');
  assert.deepEqual(await page.evaluate(() => [document.cookie, location.href.includes('secret'), JSON.stringify({ ...localStorage }).includes('secret')]), ['', false, false]);
});

test('a broken stream is shown, and what was missed is caught up without a reload', async () => {
  const { cloud, url } = await serve({ cloud: sample({ ports: 5 }) });
  const { page } = await visit(url, '#/ports');
  await live(page);
  await until(page, 'the ports', () => rows(page, 'Ports'), (all) => all.length === 5);
  cloud.refuse = true;
  for (const stream of cloud.streams) stream.destroy();
  await page.locator('[data-connection="reconnecting"]').waitFor();
  const network = [...cloud.networks.values()][0];
  cloud.port({ name: 'meanwhile', network_id: network.id });
  cloud.remove('ports', [...cloud.ports.keys()][0]);
  cloud.refuse = false;
  await live(page);
  await until(page, 'the missed change', () => rows(page, 'Ports'), (all) => all.length === 5 && all.some(([name]) => name === 'meanwhile'));
});

test('a reset makes everything be read again', async () => {
  const { cloud, url } = await serve({ cloud: sample({ ports: 5 }) });
  const { page } = await visit(url, '#/map');
  await live(page);
  await until(page, 'the map', () => nodes(page), (all) => all.length === 17);
  cloud.silent = true; // the log lost it
  cloud.port({ name: 'untold', network_id: [...cloud.networks.keys()][0] });
  cloud.silent = false;
  cloud.send('reset', { revision: cloud.revision });
  await until(page, 'the untold port', () => nodes(page), (all) => all.some(({ label }) => label === 'untold'));
});

test('an empty cloud teaches the first command', async () => {
  const { url } = await serve({ cloud: new Cloud() });
  const { page, troubles } = await visit(url, '#/map');
  await page.getByText('openstack network create blue').waitFor();
  for (const [hash, text] of [['#/networks', 'No networks yet'], ['#/ports', 'No ports yet'], ['#/hosts', 'No hosts yet'], ['#/nowhere', 'There is no such page'], ['#/hosts/none', 'No such host']]) {
    await page.goto(`${url}/${hash}`);
    await page.getByText(text).waitFor();
  }
  assert.deepEqual(troubles, []);
});

test('a long list keeps few rows in the document and reads on while it is scrolled', async () => {
  const { cloud, url } = await serve({ cloud: sample({ ports: 1700 }) });
  const { page } = await visit(url, '#/ports');
  const grid = page.getByRole('grid', { name: 'Ports' });
  await until(page, 'the total', () => grid.getAttribute('aria-rowcount'), (rowcount) => rowcount === '1701');
  assert.ok((await rows(page, 'Ports')).length < 80);
  const last = [...cloud.ports.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).at(-1).name;
  await grid.focus();
  await until(page, 'the last row', async () => (await page.keyboard.press('End'), rows(page, 'Ports')), (all) => all.at(-1)?.[0] === last);
  assert.ok((await rows(page, 'Ports')).length < 80);
});

test('a refusal is shown with what to do, and goes away when it is over', async () => {
  const { cloud, url } = await serve({ cloud: sample({ ports: 5 }) });
  cloud.broken = true;
  const { page } = await visit(url, '#/ports');
  const alert = page.getByRole('alert');
  await alert.getByText('journalctl -u netwright').waitFor();
  cloud.broken = false;
  await alert.getByRole('button', { name: 'Try again' }).click();
  await until(page, 'the ports', () => rows(page, 'Ports'), (all) => all.length === 5);
  await until(page, 'no refusal left', () => alert.count(), (count) => count === 0);
});

test('a trace names the rule, and the rows behind a plan unit', async () => {
  const { cloud, url } = await serve({ cloud: sample({ ports: 8 }) });
  const [from, to] = [...cloud.ports.values()].filter((port) => port.host);
  const { page, troubles } = await visit(url, '#/trace');
  await page.getByLabel('From port').fill(from.name);
  await page.keyboard.press('Enter');
  await page.getByLabel('To port or address').fill(to.addresses[0]);
  await page.getByLabel('To L4 port').fill('80');
  await page.getByRole('button', { name: 'Trace', exact: true }).click();
  const result = page.locator('[data-outcome="dropped"]');
  await result.locator('.hops').getByText('no ingress rule matches').waitFor();
  assert.match(page.url(), new RegExp(`from=${from.id}&to=${to.addresses[0].replaceAll('.', '\\.')}`), 'the question is the URL');
  await result.getByRole('button', { name: `endpoint/${from.id}` }).click();
  await result.getByText('Computed from ports/').waitFor();
  await page.getByLabel('From port').fill('no such thing');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Trace', exact: true }).click();
  await page.getByRole('alert').getByText('No port matches').waitFor();
  assert.deepEqual(troubles, []);
});
