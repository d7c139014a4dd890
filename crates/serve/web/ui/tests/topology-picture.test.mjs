// The picture and the tree of an environment, against the mock: files, rings, pages.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { browser, nodes, open, until } from './harness.mjs';
import { sample, start } from './mock.mjs';
import { sampleMaps } from './mock-topology.mjs';

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

async function visit(base, hash) {
  const tab = await open(chrome, base, hash);
  closing.push(tab.close);
  return tab;
}

const query = (page) => new URLSearchParams(new URL(page.url()).hash.split('?')[1]);
const drawn = (page, what, wanted) => until(page, what, () => nodes(page), wanted);
const has = (id) => (all) => all.some((node) => node.id === id);
const treeItem = (page, id) => page.getByRole('tree').locator(`[data-id="${id}"]`);

test('a picture is saved as PNG, twice as fine as the SVG, and as the files of the server', async () => {
  const { url } = await serve();
  const { page, troubles } = await visit(url, `${PROD}?show=clique&focus=instance/i-2-1`);
  await drawn(page, 'the clique', (all) => all.length === 9);
  const save = async (name) => {
    const saved = page.waitForEvent('download');
    await page.getByRole('group', { name: 'Export' }).getByRole('button', { name, exact: true }).click();
    const file = await saved;
    return [file.suggestedFilename(), readFileSync(await file.path())];
  };
  const [name, bytes] = await save('PNG');
  assert.equal(name, 'clique-prod.png');
  const [size, corner, middle] = await page.evaluate(async (text) => {
    const image = await createImageBitmap(new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], { type: 'image/png' }));
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
    context.drawImage(image, 0, 0);
    const pixel = (x, y) => [...context.getImageData(x, y, 1, 1).data];
    return [[image.width, image.height], pixel(0, 0), pixel(300, 200)];
  }, bytes.toString('base64'));
  assert.deepEqual([size, corner, middle], [[600, 400], [255, 255, 255, 255], [0xb3, 0x26, 0x1e, 255]]);
  for (const end of ['svg', 'graphml']) assert.equal((await save(end === 'svg' ? 'SVG' : 'GraphML'))[0], `clique-prod.${end}`);
  await page.keyboard.press('v');
  assert.deepEqual((await save('PNG'))[1], bytes, 'the table has it too');
  assert.deepEqual(troubles, []);
});

/** Where rings are drawn, as boxes of the layer they are on: a ring is what has the accent's colour there. */
const rings = (page) =>
  page.evaluate(() => {
    const probe = document.body.appendChild(document.createElement('span'));
    probe.style.color = 'var(--accent)';
    const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g).map(Number);
    probe.remove();
    const canvas = document.querySelector('canvas.sigma-hovers');
    if (!canvas) return [];
    const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const points = [];
    for (let i = 0; i < width * height; i++) if (data[4 * i] === r && data[4 * i + 1] === g && data[4 * i + 2] === b && data[4 * i + 3] === 255) points.push([i % width, Math.floor(i / width)]);
    const boxes = [];
    for (const [x, y] of points) {
      const box = boxes.find(({ left, right, top, bottom }) => x > left - 40 && x < right + 40 && y > top - 40 && y < bottom + 40);
      if (box) Object.assign(box, { left: Math.min(box.left, x), right: Math.max(box.right, x), top: Math.min(box.top, y), bottom: Math.max(box.bottom, y) });
      else boxes.push({ left: x, right: x, top: y, bottom: y });
    }
    return boxes.map(({ left, right, top, bottom }) => ({ x: (left + right) / 2, y: (top + bottom) / 2 })).sort((a, b) => a.x - b.x || a.y - b.y);
  });
const ringed = (page, what, count) => until(page, what, () => rings(page), (all) => all.length === count);

test('only what is selected or under the pointer has a ring, wherever the selection came from', async () => {
  const { url } = await serve();
  const there = `${PROD}?show=clique&focus=instance/i-2-1&select=`;
  const { page, troubles } = await visit(url, `${there}vnic/tap-2-1`);
  const [first] = await ringed(page, 'the first ring', 1);
  await page.goto(`${url}/${there}otep/compute-2-otep`);
  const [second] = await until(page, 'the second ring', () => rings(page), (all) => all.length === 1 && (all[0].x !== first.x || all[0].y !== first.y));
  const box = await page.getByRole('application').boundingBox();
  const to = ({ x, y }) => page.mouse.move(box.x + x, box.y + y);
  await to(first);
  await ringed(page, 'one for the pointer too', 2);
  await page.mouse.down();
  await page.mouse.up();
  await until(page, 'the click', () => query(page).get('select'), (select) => select === 'vnic/tap-2-1');
  assert.deepEqual(await ringed(page, 'one for both', 1), [first]);
  // The pointer goes straight to the tree, where something else is chosen.
  await page.getByRole('tree').hover();
  await page.goto(`${url}/${there}otep/compute-2-otep`);
  assert.deepEqual(await ringed(page, 'the ring in its new place', 1), [second]);
  // The pointer rests on what the keyboard leaves.
  await to(second);
  await page.getByRole('application').focus();
  for (const key of ['ArrowUp', 'ArrowLeft']) await page.keyboard.press(key);
  await until(page, 'the next', () => query(page).get('select'), (select) => select !== 'otep/compute-2-otep');
  const [third] = await ringed(page, 'the ring of the next', 1);
  assert.notDeepEqual(third, second);
  assert.deepEqual(troubles, []);
});

test('a place with more than a page is read on as it is scrolled to, and stays so when the environment changes', async () => {
  const { url, maps } = await serve(sampleMaps({ instances: 700 }));
  const { page, troubles } = await visit(url, `${PROD}?select=host/compute-3`);
  const tree = page.getByRole('tree');
  await treeItem(page, 'host/compute-3').waitFor();
  await tree.focus();
  await page.keyboard.press('ArrowRight');
  const folder = treeItem(page, 'folder compute-3-instances');
  await folder.waitFor();
  await folder.getByRole('button', { includeHidden: true }).click();
  assert.equal(await page.evaluate(() => document.activeElement.role), 'tree', 'the keys go on working when the row is out of view');
  const seen = () => tree.getByRole('treeitem').evaluateAll((all) => all.map((row) => [row.dataset.id, Number(row.ariaPosInSet), Number(row.ariaSetSize)]).filter(([id]) => id.startsWith('instance/i-3-') || id.startsWith('rest ')));
  assert.ok((await until(page, 'the first page', seen, (all) => all.length > 5))[0][2] === 701, 'the set is known as a whole');
  await tree.hover();
  await until(page, 'the last instance', async () => (await page.mouse.wheel(0, 4000), seen()), (all) => all.some(([, nth]) => nth === 701));
  await until(page, 'the scrolling to end', () => tree.evaluate((view) => view.scrollTop + view.clientHeight === view.scrollHeight), Boolean);
  assert.ok((await tree.getByRole('treeitem').count()) < 80, 'only rows in view are in the document');
  const at = await tree.evaluate((view) => view.scrollTop);
  const world = maps.worlds.get('prod');
  world.add('switch', 'spine-9', 'spine-9', { folders: [{ name: 'switches', text: 'Switches' }] });
  maps.commit(world, '2026-11-25T12:00:00Z', 'events');
  await drawn(page, 'the new switch', has('switch/spine-9'));
  await until(page, 'the same place', seen, (all) => all.some(([, nth]) => nth === 701));
  assert.equal(await tree.evaluate((view) => view.scrollTop), at);
  // What is far down is found on the way from elsewhere too.
  await page.goto(`${url}/${PROD}?select=instance/i-4-699`);
  await until(page, 'it in view', () => treeItem(page, 'instance/i-4-699').getAttribute('aria-selected'), (chosen) => chosen === 'true');
  assert.deepEqual(troubles, []);
});
