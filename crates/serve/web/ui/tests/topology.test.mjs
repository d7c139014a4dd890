// The console of the map, against the mock: environments, their pictures, their history, and what is done to them.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { browser, lowContrast, nodes, open, rows, until } from './harness.mjs';
import { sample, start } from './mock.mjs';
import { Maps, sampleMaps } from './mock-topology.mjs';

let chrome;
let closing = [];
before(async () => (chrome = await browser()));
after(() => chrome.close());
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

const PROD = '#/environments/prod';

async function serve(maps = sampleMaps()) {
  const server = await start({ cloud: sample({ ports: 3 }), maps });
  closing.push(server.close);
  return server;
}

async function visit(base, hash, options) {
  const tab = await open(chrome, base, hash, options);
  closing.push(tab.close);
  return tab;
}

const query = (page) => new URLSearchParams(new URL(page.url()).hash.split('?')[1]);
const drawn = (page, what, wanted) => until(page, what, () => nodes(page), wanted);
const has = (id) => (all) => all.some((node) => node.id === id);
const panel = (page) => page.getByRole('complementary', { name: 'Selection' });
const treeItem = (page, id) => page.getByRole('tree').locator(`[data-id="${id}"]`);

test('environments are cards with counts, health, scan, events and messages; an empty one says what to do', async () => {
  const { url } = await serve();
  const { page, troubles } = await visit(url, '#/environments');
  const card = page.getByRole('article', { name: 'prod' });
  await card.getByText('4 failed').waitFor();
  await card.getByText('1 stale').waitFor();
  await card.getByText('done, with faults').waitFor();
  await card.getByText('listening, 398 events').waitFor();
  await card.getByText('1 set aside: compute.instance.update without instance_id').waitFor();
  await page.getByRole('article', { name: 'edge-site' }).getByRole('link', { name: 'Scan it' }).waitFor();
  const empty = await visit((await serve(new Maps())).url, '#/environments');
  await empty.page.getByText('No environment yet').waitFor();
  await empty.page.getByText('netwright env add --help').waitFor();
  assert.deepEqual([...troubles, ...empty.troubles], []);
});

test('the wizard checks fields, tests connections as they stand in the form, and adds', async () => {
  const { url, maps } = await serve(new Maps());
  maps.probes.openstack = { reached: false, detail: 'Keystone refused the password of reader. Check user and domain.' };
  const { page, troubles } = await visit(url, '#/add-environment');
  assert.ok(await page.getByRole('button', { name: 'Add the environment' }).isDisabled());
  await page.getByRole('textbox', { name: 'Name' }).fill('no good name');
  await page.getByText('A name has 1 to 63').waitFor();
  await page.getByRole('textbox', { name: 'Name' }).fill('lab-1');
  await page.getByRole('checkbox', { name: /^OpenStack/ }).check();
  await page.getByRole('checkbox', { name: /^Hosts/ }).check();
  await page.getByRole('button', { name: 'Add the environment' }).click();
  await page.getByLabel('Keystone').waitFor(); // brought to the first tab with a fault
  assert.ok((await page.getByText('This is needed.').count()) >= 3);
  await page.getByLabel('Keystone').fill('keystone');
  await page.getByText('Not an address').waitFor();
  await page.getByLabel('Keystone').fill('https://keystone.example:5000/v3');
  await page.getByLabel(/^User needed/).fill('reader');
  await page.getByLabel(/^Project needed/).fill('admin');
  await page.getByLabel(/^Password/).fill('hunter2');
  await page.getByRole('button', { name: 'Test the connection' }).click();
  await page.locator('[data-reached="false"]').getByText('Keystone refused the password').waitFor();
  const { path, body } = maps.sent.at(-1);
  assert.equal(path, '/test');
  assert.equal(body.only, 'openstack');
  assert.deepEqual(body.credentials, { openstack_password: 'hunter2' });
  assert.equal(body.config.openstack.user, 'reader');
  assert.deepEqual(maps.worlds.size, 0, 'a test saves nothing');
  maps.probes.openstack = { reached: true, detail: 'Keystone, Nova and Neutron answered.' };
  await page.getByRole('button', { name: 'Test the connection' }).click();
  await page.locator('[data-reached="true"]').getByText('Keystone, Nova and Neutron answered.').waitFor();
  await page.getByRole('button', { name: 'Hosts' }).click();
  await page.getByLabel(/^User needed/).fill('netwright');
  await page.getByLabel(/^Known hosts file/).fill('/etc/netwright/known_hosts');
  await page.getByLabel('Private key').fill('-----BEGIN OPENSSH PRIVATE KEY-----');
  await page.getByLabel('Reached elsewhere').fill('net-1 = 192.0.2.9:2222');
  await page.getByRole('button', { name: 'Add the environment' }).click();
  await page.waitForURL('**/#/environments/lab-1/scans');
  const { config, credentials } = maps.configs.get('lab-1');
  assert.deepEqual(credentials.sort(), ['openstack_password', 'ssh_key']);
  assert.deepEqual(config.ssh.addresses, { 'net-1': { address: '192.0.2.9', port: 2222 } });
  assert.equal(config.ssh.jump, undefined);
  assert.deepEqual(troubles, []);
});

test('the wizard asks for TLS to databases, for a connection of libvirt, and for switches by name', async () => {
  const { url, maps } = await serve(new Maps());
  const { page, troubles } = await visit(url, '#/add-environment');
  await page.getByRole('textbox', { name: 'Name' }).fill('lab-2');
  for (const source of [/^Hosts/, /^SQL/, /^gNMI/]) await page.getByRole('checkbox', { name: source }).check();
  const tab = (name) => page.getByRole('navigation', { name: 'Parts of the settings' }).getByRole('button', { name });
  await tab('Hosts').click();
  await page.getByLabel(/^User needed/).fill('netwright');
  await page.getByLabel(/^Known hosts file/).fill('/etc/netwright/known_hosts');
  await page.getByLabel('Private key').fill('-----BEGIN OPENSSH PRIVATE KEY-----');
  await page.getByLabel('libvirt connection').fill('qemu+ssh://other/system');
  await page.getByText('A connection on the host itself').waitFor();
  await page.getByLabel('libvirt connection').fill('qemu:///system');
  await tab('SQL').click();
  await page.getByLabel(/^Host needed/).fill('db.example');
  await page.getByLabel(/^User needed/).fill('reader');
  await page.getByLabel('TLS').check();
  await page.getByLabel('Trusted authorities').fill('no certificate');
  await page.getByText('One or more certificates in PEM').waitFor();
  await page.getByLabel('Trusted authorities').fill('-----BEGIN CERTIFICATE-----');
  await page.getByLabel(/^Password/).fill('hunter2');
  await tab('gNMI').click();
  await page.getByLabel(/^User needed/).fill('reader');
  await page.getByLabel(/^Password/).fill('hunter2');
  await page.getByLabel(/^Switches/).fill('leaf-1 = leaf-1.example:9339');
  await page.getByText('“leaf-1 = leaf-1.example:9339” is not of the form').waitFor();
  await page.getByLabel(/^Switches/).fill('leaf-1 = https://leaf-1.example:9339');
  await page.getByRole('button', { name: 'Add the environment' }).click();
  await page.waitForURL('**/#/environments/lab-2/scans');
  const { ssh, sql, gnmi } = maps.configs.get('lab-2').config;
  assert.equal(ssh.libvirt_uri, 'qemu:///system');
  assert.deepEqual([sql.tls, sql.authorities], [true, '-----BEGIN CERTIFICATE-----']);
  assert.deepEqual(gnmi.targets, [{ name: 'leaf-1', url: 'https://leaf-1.example:9339' }]);
  assert.deepEqual(troubles, []);
});

test('settings show secrets as set, keep and remove them, and ask before changes are lost', async () => {
  const { url, maps } = await serve();
  const { page } = await visit(url, `${PROD}/settings?tab=openstack`);
  const password = page.getByLabel(/^Password/);
  await password.waitFor();
  assert.equal(await password.inputValue(), '');
  assert.match(await password.getAttribute('placeholder'), /^set/);
  await page.getByLabel('Region').fill('RegionTwo');
  await page.getByRole('link', { name: 'Environments' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Leave without saving?').waitFor();
  await dialog.getByRole('button', { name: 'Stay' }).click();
  assert.match(page.url(), /settings/);
  assert.equal(await page.getByLabel('Region').inputValue(), 'RegionTwo');
  await page.getByRole('button', { name: 'Hosts' }).click();
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByLabel('Password, if there is no key').fill('secret');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL('**/#/environments/prod');
  const { config, credentials } = maps.configs.get('prod');
  assert.equal(config.openstack.region, 'RegionTwo');
  assert.deepEqual(config.roles, [{ to: { role: 'noc' }, right: 'scan' }]);
  assert.deepEqual(credentials.sort(), ['amqp_password', 'openstack_password', 'ssh_password']);
});

test('tree and picture are in step, and the panel tells attributes, conflicts, causes, checks and staleness', async () => {
  const { url } = await serve();
  const { page, troubles } = await visit(url, PROD);
  await drawn(page, 'the overview', has('host/compute-2'));
  await page.getByRole('tree').focus();
  await page.keyboard.press('ArrowRight');
  await treeItem(page, 'region/RegionOne').waitFor();
  for (const key of ['ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
  await treeItem(page, 'folder RegionOne-availability_zones').waitFor();
  // From the picture to the tree: every branch on the way opens.
  await page.goto(`${url}/${PROD}?select=instance/i-2-1`);
  await treeItem(page, 'instance/i-2-1').waitFor();
  assert.equal(await treeItem(page, 'instance/i-2-1').getAttribute('aria-selected'), 'true');
  await panel(page).getByText('NIC eno1 of compute-2 has no link').waitFor();
  assert.deepEqual(await panel(page).locator('.chain a').allTextContents(), ['compute-2-eno1', 'compute-2-otep', 'compute-2-br-int']);
  // From the tree to the picture.
  await treeItem(page, 'host/compute-2').click();
  await panel(page).getByRole('heading', { name: 'compute-2', exact: true }).waitFor();
  assert.equal(query(page).get('select'), 'host/compute-2');
  await page.goto(`${url}/${PROD}?select=host_pnic/compute-2-eno1`);
  await panel(page).getByText('NO-CARRIER on eno1 since 09:58').waitFor();
  await panel(page).getByRole('link', { name: 'All messages about it' }).waitFor();
  await page.goto(`${url}/${PROD}?select=instance/i-1-1`);
  await panel(page).getByText('1 conflict').waitFor();
  await panel(page).locator('.other').getByText('m1.small').waitFor();
  await page.goto(`${url}/${PROD}?select=instance/i-3-2`);
  await panel(page).getByText('compute-3 did not answer within 60 s').first().waitFor();
  assert.deepEqual(troubles, []);
});

test('a big environment is drawn as supernodes that open; what is inside one is marked by it', async () => {
  const { url } = await serve(sampleMaps({ hosts: 120, instances: 5 }));
  const { page } = await visit(url, `${PROD}?select=vnic/tap-7-3`);
  const all = await drawn(page, 'the overview', has('host/compute-7'));
  assert.ok(all.length <= 500, `${all.length} nodes`);
  assert.ok(!all.some(({ id }) => id === 'instance/i-7-3'));
  const supernode = all.find(({ id }) => id === 'host/compute-7');
  assert.ok(supernode.closed && supernode.objects > 10);
  await treeItem(page, 'vnic/tap-7-3').waitFor();
  await panel(page).getByText('The picture draws it inside').waitFor();
  await panel(page).getByRole('button', { name: 'Open it' }).click();
  await drawn(page, 'the open host', has('instance/i-7-3'));
  await page.getByRole('button', { name: 'compute-7 ×' }).click();
  await drawn(page, 'the closed host', (now) => now.length > 0 && !has('instance/i-7-3')(now));
  assert.ok((await page.getByRole('treeitem').count()) < 80, 'only rows in view are in the document');
});

test('a clique with its constraints and health, what is around an object, and their table twin', async () => {
  const { url } = await serve();
  const { page, troubles } = await visit(url, `${PROD}?select=instance/i-2-1`);
  await panel(page).getByRole('button', { name: 'Clique' }).click();
  const clique = await drawn(page, 'the clique', (all) => all.length === 9);
  assert.deepEqual(clique.find(({ id }) => id === 'vnic/tap-2-1').links.sort(), ['instance/i-2-1', 'vconnector/qbr-2-1']);
  await page.getByRole('region', { name: /^Clique of/ }).getByText('no constraints').waitFor();
  await page.keyboard.press('v');
  const table = await until(page, 'the twin', () => rows(page, 'Clique of Instance i-2-1'), (all) => all.length === 9);
  assert.ok(table.some(([name, type, health]) => name === 'compute-2-eno1' && type === 'Host NIC' && health === 'Failed'));
  await page.getByRole('group', { name: 'Rows of the table' }).getByRole('button', { name: /^Links/ }).click();
  await until(page, 'its links', () => rows(page, 'Clique of Instance i-2-1: links'), (all) => all.length === 8);
  await page.goto(`${url}/${PROD}?show=clique&focus=network/net-media&select=network/net-media`);
  await page.getByText('network = net-media').waitFor();
  await page.goto(`${url}/${PROD}?show=around&focus=vedge/compute-1-br-int&depth=1`);
  await drawn(page, 'its neighbours', (all) => all.length === 5);
  await page.getByLabel('Along').selectOption('vedge-otep');
  await drawn(page, 'those along one kind of link', (all) => all.length === 2);
  assert.deepEqual(troubles, []);
});

test('search finds by any identifier as one types, in the environment and across all', async () => {
  const { url } = await serve();
  const { page } = await visit(url, `${PROD}/messages`);
  await page.getByRole('tree').or(page.getByRole('grid')).first().waitFor();
  for (const [text, key] of [['fa:16:3e:00:02:01', 'vnic/tap-2-1'], ['10.0.2.1', 'instance/i-2-1'], ['FDO21AB', 'switch/leaf-1'], ['media-batch', 'instance/i-4-9']]) {
    await page.keyboard.press('/');
    await page.getByRole('combobox', { name: 'Search', exact: true }).fill(text);
    await page.getByRole('option').first().waitFor();
    await page.keyboard.press('Enter');
    await until(page, text, () => query(page).get('select'), (select) => select === key);
  }
  await page.goto(`${url}/#/environments`);
  await page.keyboard.press('/');
  await page.getByRole('combobox', { name: 'Search', exact: true }).fill('leaf-1');
  await page.getByRole('option').filter({ hasText: 'prod' }).first().waitFor();
});

test('the path between two objects, drawn and step by step', async () => {
  const { url } = await serve();
  const { page, troubles } = await visit(url, `${PROD}/path?from=instance/i-1-1`);
  await page.getByRole('combobox', { name: 'To' }).fill('10.1.2.2');
  await page.getByRole('option').first().waitFor();
  await page.keyboard.press('Enter');
  const steps = page.getByRole('region', { name: 'Steps' });
  await steps.getByText('compute-2-eno1').waitFor();
  assert.equal(await steps.locator('.node').count(), 13);
  await drawn(page, 'the way', (all) => all.length === 13);
  await page.goto(`${url}/${PROD}/path?from=instance/i-1-1&to=project/lab`);
  await page.getByText('No way leads there').waitFor();
  assert.deepEqual(troubles, []);
});

test('the timeline: a past version shows everything as of then, on every page; snapshots are taken, pinned, deleted', async () => {
  const { url, maps } = await serve();
  const { page, troubles } = await visit(url, `${PROD}/history`);
  const timeline = page.getByRole('slider', { name: 'Versions along time' });
  await timeline.focus();
  await page.keyboard.press('Home');
  await until(page, 'the first version', () => query(page).get('at'), (at) => at === '1');
  await page.getByText('As of 2026-11-18 00:00:00 UTC').waitFor();
  await page.getByRole('link', { name: 'Map', exact: true }).last().click();
  await drawn(page, 'the map of then', (all) => has('instance/i-4-1')(all) && !has('instance/i-4-9')(all));
  await page.keyboard.press(']');
  await until(page, 'the next version', () => query(page).get('at'), (at) => at === '2');
  await page.getByRole('button', { name: 'Back to now' }).click();
  await drawn(page, 'the map of now', (all) => has('instance/i-4-9')(all) && !has('instance/i-4-1')(all));
  await page.goto(`${url}/${PROD}/history`);
  await page.getByLabel('Snapshot of the present').fill('before the change');
  await page.getByLabel('keep as the baseline').check();
  await page.getByRole('button', { name: 'Take it' }).click();
  await until(page, 'the snapshot', () => rows(page, 'Versions'), (all) => all[0]?.[2].includes('before the change') && all[0][2].includes('baseline'));
  assert.deepEqual(maps.sent.find(({ path }) => path.endsWith('/snapshots')).body, { name: 'before the change', pinned: true });
  await page.getByRole('button', { name: 'Delete version 2' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await until(page, 'it gone', () => rows(page, 'Versions'), (all) => all.length === 3 && !all.some(([number]) => number === '2'));
  assert.deepEqual(troubles, []);
});

test('what changes is drawn without a reload', async () => {
  const { url, maps } = await serve();
  const { page } = await visit(url, PROD);
  await drawn(page, 'the map', has('host/compute-1'));
  await until(page, 'the stream', () => maps.streams.size, (streams) => streams > 0);
  const world = maps.worlds.get('prod');
  world.add('switch', 'spine-9', 'spine-9', { folders: [{ name: 'switches', text: 'Switches' }] });
  maps.commit(world, '2026-11-25T12:00:00Z', 'events');
  await drawn(page, 'the new switch', has('switch/spine-9'));
});

test('two versions compared: overlay, lists, attributes, by tenant, exports', async () => {
  const { url } = await serve();
  const { page, troubles } = await visit(url, `${PROD}/compare`);
  await page.getByRole('region', { name: 'What to compare' }).getByRole('combobox').first().selectOption('1');
  await page.getByText('1 added, 1 removed, 1 moved, 1 changed').waitFor();
  const all = await drawn(page, 'the overlay', has('instance/i-4-9'));
  const change = (id) => all.find((node) => node.id === id).change;
  assert.deepEqual(['instance/i-4-9', 'instance/i-4-1', 'instance/i-1-2', 'instance/i-1-1'].map(change), ['added', 'removed', 'moved', 'changed']);
  assert.equal(new Set(all.map(({ x, y }) => `${x} ${y}`)).size, all.length, 'nothing covers another');
  const lists = page.getByRole('group', { name: 'What to show' });
  await lists.getByRole('button', { name: /^Objects/ }).click();
  const list = await until(page, 'the list', () => rows(page, 'Differences'), (found) => found.length === 4);
  assert.ok(list.some(([kind, name, , , text]) => kind === 'Moved' && name === 'payments-web-1-2' && text.includes('compute-1 → compute-3')));
  await page.getByRole('grid', { name: 'Differences' }).getByText('lab-web-1-1').click();
  const difference = page.getByRole('complementary', { name: 'Difference' });
  assert.equal(await difference.locator('del').textContent(), 'm1.small');
  assert.equal(await difference.locator('ins').textContent(), 'm1.large');
  for (const [name, text] of [['Links', 'Removed'], ['Health', 'healthy → failed'], ['Cliques', 'links more'], ['By tenant', '1 added']]) {
    await lists.getByRole('button', { name: new RegExp(`^${name}`) }).click();
    await page.getByRole('grid', { name: 'Differences' }).getByText(text).first().waitFor();
  }
  for (const [button, end] of [['CSV', 'csv'], ['Markdown', 'md'], ['HTML', 'html'], ['JSON', 'json']]) {
    const saved = page.waitForEvent('download');
    await page.getByRole('group', { name: 'Export' }).getByRole('button', { name: button }).click();
    assert.equal((await saved).suggestedFilename(), `diff-prod-1-3.${end}`);
  }
  await page.goto(`${url}/${PROD}/compare?from=3`);
  await page.getByText('The two are the same').waitFor();
  assert.deepEqual(troubles, []);
});

test('impact of one object and of several: counts, list, export', async () => {
  const { url } = await serve();
  const { page, troubles } = await visit(url, `${PROD}/impact?objects=host_pnic/compute-1-eno1`);
  await page.getByRole('region', { name: 'By tenant' }).getByText('payments').waitFor();
  const one = Number((await page.getByText(/objects depend/).locator('strong').textContent()).split(' ')[0]);
  await page.getByRole('combobox', { name: 'Add an object that fails' }).fill('compute-2-eno1');
  await page.getByRole('option').first().waitFor();
  await page.keyboard.press('Enter');
  await until(page, 'more hit', async () => Number((await page.getByText(/objects depend/).locator('strong').textContent()).split(' ')[0]), (n) => n > one);
  assert.equal(query(page).get('objects'), 'host_pnic/compute-1-eno1,host_pnic/compute-2-eno1');
  await page.getByRole('region', { name: 'By type' }).getByRole('button', { name: 'Instance' }).click();
  await until(page, 'only instances', () => rows(page, 'Hit objects'), (all) => all.length > 0 && all.every(([, , type]) => type === 'Instance'));
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV' }).click();
  assert.equal((await saved).suggestedFilename(), 'impact-prod.csv');
  assert.deepEqual(troubles, []);
});

test('messages: levels, words, from a message to its object and back, marked as read, new ones live', async () => {
  const { url, maps } = await serve();
  const { page, troubles } = await visit(url, `${PROD}/messages`);
  await until(page, 'all', () => rows(page, 'Messages'), (all) => all.length === 3);
  await page.getByRole('button', { name: /^Error/ }).click();
  await until(page, 'errors', () => rows(page, 'Messages'), (all) => all.length === 1 && all[0][1] === 'NO-CARRIER on eno1');
  await page.getByRole('grid', { name: 'Messages' }).getByText('NO-CARRIER on eno1').click();
  const message = page.getByRole('complementary', { name: 'Message' });
  await message.getByRole('link', { name: 'compute-2-eno1' }).waitFor();
  await until(page, 'it read', () => maps.worlds.get('prod').messages[0].viewed, Boolean);
  await message.getByRole('link', { name: 'compute-2-eno1' }).click();
  await panel(page).getByRole('link', { name: 'All messages about it' }).click();
  await until(page, 'those about it', () => rows(page, 'Messages'), (all) => all.length === 1);
  maps.worlds.get('prod').say('critical', 'eno1 is gone', ['host_pnic/compute-2-eno1'], '2026-11-25T12:00:00Z', 'Sensu');
  maps.send('messages', { environment: 'prod', count: 1 });
  await until(page, 'the new one', () => rows(page, 'Messages'), (all) => all[0]?.[1] === 'eno1 is gone');
  await page.getByLabel('Search messages').fill('nothing says this');
  await page.getByText('No message matches').waitFor();
  assert.deepEqual(troubles, []);
});

test('a scan is started at an object, followed by the stream, and cancelled; faults are told', async () => {
  const { url, maps } = await serve();
  const { page, troubles } = await visit(url, `${PROD}/scans?start=host/compute-3`);
  await until(page, 'the stream', () => maps.streams.size, (streams) => streams > 0);
  await page.getByRole('button', { name: /^Host compute-3/ }).waitFor();
  await page.getByLabel('name the result').fill('after repair');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  const scan = page.getByRole('complementary', { name: 'Scan 2' });
  await scan.getByText('Waiting').waitFor();
  assert.deepEqual(maps.sent.at(-1).body, { environment: 'prod', start: 'host/compute-3', snapshot: 'after repair' });
  maps.progress(2, { state: 'running', started_at: new Date().toISOString(), progress: { objects: 17, hosts_done: 1, hosts: 4, last: 'compute-1: ovs-vsctl' } });
  await scan.getByText('1 of 4 hosts, 17 objects').waitFor();
  maps.progress(2, { progress: { objects: 40, hosts_done: 3, hosts: 4, last: 'compute-3' } });
  await scan.getByText('3 of 4 hosts, 40 objects').waitFor();
  await scan.getByRole('button', { name: 'Cancel' }).click();
  await scan.getByText('Cancelled').waitFor();
  await page.getByRole('grid', { name: 'Scans' }).locator('[data-id="1"]').click();
  await page.getByRole('complementary', { name: 'Scan 1' }).getByText('no answer within 60 s: it is marked stale').waitFor();
  assert.deepEqual(troubles, []);
});

test('schedules: added with cron and time zone, the next time shown, paused, refused with the reason', async () => {
  const { url, maps } = await serve();
  const { page } = await visit(url, `${PROD}/scans`);
  const form = page.getByRole('form', { name: 'Add a schedule' });
  await form.getByRole('textbox', { name: 'Name' }).fill('nightly');
  await form.getByLabel('Cron pattern').fill('30 2 * *');
  await form.getByText('Five fields').waitFor();
  await form.getByLabel('Cron pattern').fill('99 2 * * *');
  await form.getByLabel('Time zone').selectOption('Europe/Berlin');
  await form.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('alert').getByText("minute '99' is not from 0 to 59").waitFor();
  await form.getByLabel('Cron pattern').fill('30 2 * * *');
  await form.getByRole('button', { name: 'Add' }).click();
  const row = page.locator('[data-schedule="nightly"]');
  await row.getByText('2026-11-29 00:00:00 UTC').waitFor();
  await row.getByRole('button', { name: 'Pause' }).click();
  await row.getByText('paused').waitFor();
  assert.equal(maps.schedules.find(({ name }) => name === 'nightly').zone, 'Europe/Berlin');
});

test('clique types and constraints are edited', async () => {
  const { url, maps } = await serve();
  const { page, troubles } = await visit(url, '#/clique-types');
  await page.getByRole('button', { name: 'Add a clique type' }).click();
  const form = page.getByRole('form', { name: 'New clique type' });
  await form.getByLabel('Name').fill('switch to VMs');
  await form.getByLabel('Starts at').selectOption('switch');
  await form.getByLabel('Another step').selectOption('otep-vedge');
  await form.getByRole('button', { name: 'Add', exact: true }).first().click();
  await form.getByLabel('Distribution', { exact: true }).fill('RDO');
  await form.getByRole('button', { name: 'Add', exact: true }).last().click();
  await until(page, 'the new type', () => rows(page, 'Clique types'), (all) => all.some(([name]) => name === 'switch to VMs'));
  assert.deepEqual(maps.cliqueTypes.at(-1), { name: 'switch to VMs', focal: 'switch', links: ['otep-vedge'], implicit: false, environment: 'ANY', distribution: 'RDO' });
  await page.getByRole('group', { name: 'Constraint 1' }).getByLabel('Attributes').fill('network, vlan');
  await page.getByRole('button', { name: 'Save the constraints' }).click();
  await page.getByText('Saved.').waitFor();
  assert.deepEqual(maps.constraints, [{ focal: 'network', attributes: ['network', 'vlan'] }]);
  assert.deepEqual(troubles, []);
});

test('everything is reached with the keyboard', async () => {
  const { url } = await serve();
  const { page } = await visit(url, '#/hosts');
  await page.keyboard.press('g');
  await page.keyboard.press('e');
  await page.waitForURL('**/#/environments');
  await page.getByRole('link', { name: 'prod', exact: true }).focus();
  await page.keyboard.press('Enter');
  await drawn(page, 'the map', has('host/compute-1'));
  await page.getByRole('application').focus();
  await page.keyboard.press('ArrowRight');
  await until(page, 'a selection', () => query(page).get('select'), Boolean);
  await page.keyboard.press('Escape');
  await until(page, 'none', () => query(page).get('select'), (select) => select === null);
  for (const [key, tab] of Object.entries({ 2: 'objects', 3: 'path', 4: 'impact', 5: 'history', 6: 'compare', 7: 'messages', 8: 'scans' })) {
    await page.keyboard.press(key);
    await page.waitForURL(`**/#/environments/prod/${tab}`);
  }
  await page.keyboard.press('2');
  const grid = page.getByRole('grid', { name: 'Objects' });
  await until(page, 'objects', () => rows(page, 'Objects'), (all) => all.length > 10);
  await grid.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await panel(page).waitFor();
});

test('thousands of objects: lists are read as they are scrolled and few rows are in the document', async () => {
  const { url } = await serve(sampleMaps({ hosts: 60, instances: 40 }));
  const { page } = await visit(url, `${PROD}/objects`);
  const grid = page.getByRole('grid', { name: 'Objects' });
  const total = Number(await until(page, 'the total', () => grid.getAttribute('aria-rowcount'), (count) => Number(count) > 7000));
  assert.ok((await rows(page, 'Objects')).length < 80);
  await grid.focus();
  await until(page, 'the second page', async () => (await page.keyboard.press('End'), grid.locator('[data-id]').last().getAttribute('aria-rowindex')), (index) => Number(index) > 300);
  assert.ok((await rows(page, 'Objects')).length < 80 && total > 7000);
  await page.getByLabel('Type').selectOption('switch');
  await until(page, 'switches', () => rows(page, 'Objects'), (all) => all.length === 3);
});

test('errors say what to do, and a broken stream is told', async () => {
  const { url, maps } = await serve();
  const { page } = await visit(url, PROD);
  await until(page, 'the stream', () => maps.streams.size, (streams) => streams > 0);
  maps.refuse = true;
  for (const stream of maps.streams) stream.destroy();
  await page.getByText('not live: reconnecting').waitFor();
  maps.refuse = false;
  await until(page, 'it live again', () => page.getByText('not live: reconnecting').count(), (count) => count === 0);
  maps.broken = true;
  const other = await visit(url, '#/environments');
  await other.page.getByRole('alert').getByText('journalctl -u netwright').waitFor();
  maps.broken = false;
  await page.goto(`${url}/${PROD}?at=no-such-snapshot`);
  await page.getByRole('alert').first().getByText("There is no version 'no-such-snapshot'").waitFor();
});

test('pages are readable in light and dark, and load nothing from elsewhere', async () => {
  const { url } = await serve();
  const folder = process.env.SCREENSHOTS;
  if (folder) mkdirSync(folder, { recursive: true });
  const pages = { cards: '#/environments', map: `${PROD}?select=instance/i-2-1`, clique: `${PROD}?show=clique&focus=instance/i-2-1`, impact: `${PROD}/impact?objects=switch/leaf-1`, compare: `${PROD}/compare?from=1`, history: `${PROD}/history?at=1`, messages: `${PROD}/messages?message=1`, scans: `${PROD}/scans?scan=1`, settings: `${PROD}/settings?tab=ssh`, cliques: '#/clique-types?name=instance' };
  for (const colorScheme of ['light', 'dark']) {
    const { page, troubles } = await visit(url, '#/environments', { colorScheme });
    for (const [name, hash] of Object.entries(pages)) {
      await page.goto(`${url}/${hash}`);
      await page.locator('main > header h1').waitFor();
      await until(page, 'all read', () => page.locator('main').getByText(/on (its|their) way/).count(), (count) => count === 0);
      if (folder) await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png` });
      assert.deepEqual(await page.evaluate(lowContrast), [], `${name} in ${colorScheme}`);
    }
    assert.deepEqual(troubles, []);
  }
});
