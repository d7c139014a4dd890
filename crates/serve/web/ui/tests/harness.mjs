// What every browser test needs: a browser, a page that reports its errors and its requests, and the cloud behind it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
];
/** Generous: the machine may be busy. Nothing asserts that it was fast. */
const PATIENCE = 20_000;

export function browser() {
  const dist = fileURLToPath(new URL('../dist/index.html', import.meta.url));
  if (!existsSync(dist)) throw new Error('The console is not built: run "npm run build" first.');
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
}

/** A page in its own profile. `troubles` collects console errors, page errors and requests that leave the origin. */
export async function open(browser, base, hash = '', options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const troubles = [];
  const { origin } = new URL(base);
  page.on('console', (message) => message.type() === 'error' && troubles.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => troubles.push(`page: ${error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin) troubles.push(`request to ${url.href}`);
  });
  await page.goto(`${base}/${hash}`, { waitUntil: 'domcontentloaded' });
  return { page, troubles, close: () => context.close() };
}

export const live = (page) => page.locator('[data-connection="live"]').waitFor();

/** Reads something of the page, once per frame, until it is as wanted; returns what was read. */
export async function until(page, what, read, wanted) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const value = await read();
    if (wanted(value)) return value;
    if (Date.now() > deadline) throw new Error(`waited for ${what}; the last seen was ${JSON.stringify(value)}`);
    await page.evaluate(() => new Promise((next) => requestAnimationFrame(next)));
  }
}

/** The nodes of the map's model: what the canvas shows cannot be asserted on. */
export const nodes = (page) =>
  page.evaluate(() => globalThis.netwrightMap?.graph.mapNodes((id, node) => ({ id, ...node, links: globalThis.netwrightMap.graph.neighbors(id) })) ?? []);

/** The rows of the grid with this label, as the texts of their cells. */
export const rows = (page, label) =>
  page.getByRole('grid', { name: label }).locator('[data-id]').evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent.trim())));

/** The little of Neutron that the tests drive. */
export class Neutron {
  constructor(base, token = 'demo') {
    this.base = base;
    this.headers = { 'X-Auth-Token': token, 'Content-Type': 'application/json' };
  }

  async send(method, path, body) {
    const response = await fetch(`${this.base}/v2.0/${path}`, { method, headers: this.headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async create(one, attributes) {
    return (await this.send('POST', `${one}s`, { [one]: attributes }))[one];
  }

  update(one, id, attributes) {
    return this.send('PUT', `${one}s/${id}`, { [one]: attributes });
  }

  remove(one, id) {
    return this.send('DELETE', `${one}s/${id}`);
  }
}

export async function read(base, path) {
  const response = await fetch(`${base}/netwright/v1${path}`, { headers: { 'X-Auth-Token': 'demo' } });
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Runs in the page: every visible text whose contrast with the ground behind it is below 4.5 (WCAG 2.2, 1.4.3). */
export function lowContrast() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
    if (!text || !element.checkVisibility() || element.closest(':disabled, .hidden, .skip')) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
