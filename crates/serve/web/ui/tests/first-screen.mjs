// Measures the first picture of a big environment in a real browser, and how fluently it is panned. Prints one line of JSON.
//   node tests/first-screen.mjs            an environment of 10,000 objects, drawn as the console draws it: supernodes that open
//   NODES=10000 node tests/first-screen.mjs   the same with every object drawn by itself: harder than any page asks for
//   NETWRIGHT_URL=… ENVIRONMENT=…          a real controller instead of the mock
// The build must be there (npm run build). Frames are those the browser presents; `renderer` says whether a GPU drew them.
import { browser, nodes, open } from './harness.mjs';
import { sample, start } from './mock.mjs';
import { Maps } from './mock-topology.mjs';
import { troubled } from './mock-world.mjs';

const OBJECTS = Number(process.env.OBJECTS ?? 10_000);
const SECONDS = 5;
const INSTANCES = 30;
/** Objects of a host with its instances in the mock. */
const PER_HOST = 5 + 3 * INSTANCES;

let server;
let base = process.env.NETWRIGHT_URL?.replace(/\/$/, '');
const environment = process.env.ENVIRONMENT ?? 'big';
if (!base) {
  const maps = new Maps();
  maps.put(troubled(environment, { hosts: Math.max(4, Math.ceil(OBJECTS / PER_HOST)), instances: INSTANCES }));
  server = await start({ cloud: sample({ ports: 1 }), maps });
  base = server.url;
}
const chrome = await browser();
const { page, troubles } = await open(chrome, base, '', { reducedMotion: 'no-preference' });

// A fresh document, so that loading the console is part of what is measured.
await page.goto(`${base}/#/environments/${environment}`);
await page.addInitScript(() => {
  const look = () => {
    const drawn = globalThis.netwrightMap?.graph.order > 0 && document.querySelector('.sigma-nodes');
    if (!drawn) return requestAnimationFrame(look);
    // The frame after the one in which the canvas was drawn.
    requestAnimationFrame(() => requestAnimationFrame(() => (globalThis.firstPicture = performance.now())));
  };
  requestAnimationFrame(look);
});
await page.reload();
await page.waitForFunction(() => globalThis.firstPicture, null, { timeout: 120_000 });
const first = await page.evaluate(() => globalThis.firstPicture);

const box = await page.getByRole('application').boundingBox();
const middle = [box.x + box.width / 2, box.y + box.height / 2];
await page.evaluate(() => {
  globalThis.frames = [];
  const count = (at) => {
    globalThis.frames.push(at);
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
});
await page.mouse.move(...middle);
await page.mouse.down();
const until = Date.now() + SECONDS * 1000;
for (let i = 0; Date.now() < until; i++) await page.mouse.move(middle[0] + 120 * Math.sin(i / 9), middle[1] + 80 * Math.cos(i / 7));
await page.mouse.up();
const gaps = await page.evaluate(() => globalThis.frames.slice(1).map((at, i) => at - globalThis.frames[i]).sort((a, b) => a - b));
const renderer = await page.evaluate(() => {
  const gl = document.createElement('canvas').getContext('webgl2');
  return gl?.getParameter(gl.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER) ?? 'none';
});
const objects = await page.evaluate(() => globalThis.netwrightMap.rows().reduce((sum, { objects }) => sum + objects, 0));
const round = (n) => Math.round(n * 10) / 10;
const result = {
  bench: 'first-screen',
  objects,
  nodes_drawn: (await nodes(page)).length,
  first_picture_ms: Math.round(first),
  frames_per_second: round((1000 * gaps.length) / gaps.reduce((sum, gap) => sum + gap, 0)),
  frame_p95_ms: round(gaps[Math.floor(gaps.length * 0.95)] ?? 0),
  renderer,
  gpu: !/swiftshader|llvmpipe|software/i.test(renderer),
  troubles,
};
console.log(JSON.stringify(result));
await chrome.close();
await server?.close();
