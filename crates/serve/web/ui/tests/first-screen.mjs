// Measures the first picture of an environment in a real browser and how fluently it is panned, and beside it, in the same browser, sigma
// alone with the same nodes and with every object by itself. Prints one line of JSON; `cargo xtask bench first-screen` starts what it needs.
//   NETWRIGHT_URL=… ENVIRONMENT=… node tests/first-screen.mjs
// Frames are those the browser presents; `renderer` says whether a GPU drew them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { browser, open } from './harness.mjs';

const SECONDS = 5;
const base = process.env.NETWRIGHT_URL?.replace(/\/$/, '');
const environment = process.env.ENVIRONMENT;
if (!base || !environment) throw new Error('NETWRIGHT_URL and ENVIRONMENT say what to measure');
const round = (n) => Math.round(n * 10) / 10;

/** A fresh document, so that loading it is part of what is measured. `ready` runs in the page. */
async function measure(chrome, url, hash, ready) {
  const { page, troubles, close } = await open(chrome, url, '', { reducedMotion: 'no-preference' });
  await page.addInitScript(`(() => {
    const ready = ${ready};
    const look = () => {
      if (!ready() || !document.querySelector('.sigma-nodes')) return requestAnimationFrame(look);
      // The frame after the one in which the canvas was drawn.
      requestAnimationFrame(() => requestAnimationFrame(() => (globalThis.firstPicture = performance.now())));
    };
    requestAnimationFrame(look);
  })()`);
  await page.goto(`${url}/${hash}`);
  await page.reload();
  await page.waitForFunction(() => globalThis.firstPicture, null, { timeout: 120_000 });
  const first = await page.evaluate(() => globalThis.firstPicture);
  const frames = await pan(page);
  return { page, troubles, close, figures: { first_picture_ms: Math.round(first), ...frames } };
}

async function pan(page) {
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
  const end = Date.now() + SECONDS * 1000;
  for (let i = 0; Date.now() < end; i++) await page.mouse.move(middle[0] + 120 * Math.sin(i / 9), middle[1] + 80 * Math.cos(i / 7));
  await page.mouse.up();
  const gaps = await page.evaluate(() => globalThis.frames.slice(1).map((at, i) => at - globalThis.frames[i]).sort((a, b) => a - b));
  const total = gaps.reduce((sum, gap) => sum + gap, 0);
  return { frames_per_second: round((1000 * gaps.length) / total), frame_p95_ms: round(gaps[Math.floor(gaps.length * 0.95)] ?? 0) };
}

/** Serves sigma alone, and the picture it is to draw. */
async function serveBare(folder, picture) {
  await build({ root: fileURLToPath(new URL('bare', import.meta.url)), configFile: false, logLevel: 'error', build: { outDir: folder, emptyOutDir: true, target: 'esnext' } });
  const types = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html' };
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://bare').pathname;
    if (path === '/picture.json') return response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(picture));
    const file = join(folder, path === '/' ? 'index.html' : path);
    try {
      const content = readFileSync(file);
      response.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(204).end();
    }
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Every object by itself, in rows: harder than anything the console draws. */
function everyObject(count) {
  const width = Math.ceil(Math.sqrt(count));
  const nodes = Array.from({ length: count }, (_, i) => ({ id: String(i), label: `object ${i}`, x: i % width, y: Math.floor(i / width), size: 3 }));
  return { nodes, links: nodes.slice(1).map(({ id }) => [String(Math.floor(Number(id) / 2)), id]) };
}

const chrome = await browser();
const folder = mkdtempSync(join(tmpdir(), 'netwright-bare-'));
try {
  const console_ = await measure(chrome, base, `#/environments/${environment}`, '() => globalThis.netwrightMap?.graph.order > 0');
  const picture = await console_.page.evaluate(() => {
    const { graph } = globalThis.netwrightMap;
    return { nodes: graph.mapNodes((id, { label, x, y, size }) => ({ id, label, x, y, size })), links: graph.mapEdges((_, __, source, target) => [source, target]) };
  });
  const objects = await console_.page.evaluate(() => globalThis.netwrightMap.rows().reduce((sum, { objects }) => sum + objects, 0));
  const renderer = await console_.page.evaluate(() => {
    const gl = document.createElement('canvas').getContext('webgl2');
    return gl?.getParameter(gl.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER) ?? 'none';
  });
  await console_.close();
  const alone = async (drawn) => {
    const bare = await serveBare(folder, drawn);
    const { figures, close } = await measure(chrome, bare.url, '', '() => globalThis.drawnAt?.()');
    await close();
    bare.close();
    return figures;
  };
  const same = await alone(picture);
  const every = await alone(everyObject(objects));
  const gpu = !/swiftshader|llvmpipe|software/i.test(renderer);
  console.log(JSON.stringify({ objects, nodes_drawn: picture.nodes.length, renderer, gpu, console: console_.figures, same_nodes: same, every_object: every, troubles: console_.troubles }));
} finally {
  await chrome.close();
  rmSync(folder, { recursive: true, force: true });
}
