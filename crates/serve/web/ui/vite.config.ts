// Builds the console into dist/, one hashed file per chunk, each with a gzip twin beside it: the server sends what is
// there and compresses nothing itself. The licences of what is inside go with it, as they ask.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/** The licence texts of the packages whose code or fonts the bundle carries. */
function licences(): string {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, { dev?: boolean }> };
  const bundled = ['node_modules/svelte', ...Object.keys(packages).filter((path) => path && !packages[path]!.dev)];
  const texts = bundled.flatMap((path) => {
    const file = readdirSync(path).find((name) => /^licen[cs]e/i.test(name));
    return file ? [`${path.replace('node_modules/', '')}\n\n${readFileSync(join(path, file), 'utf8').trim()}\n`] : [];
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

const licenceText = licences();
const licenceFile = `assets/licences-${createHash('sha256').update(licenceText).digest('hex').slice(0, 8)}.txt`;
const licenceNotice: Plugin = {
  name: 'licences',
  apply: 'build',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: licenceFile, source: licenceText });
  },
};

const gzipTwins: Plugin = {
  name: 'gzip-twins',
  apply: 'build',
  writeBundle({ dir = 'dist' }) {
    for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
      const path = join(dir, name);
      if (!/\.(js|css|svg|html|txt)$/.test(name) || statSync(path).size < 1024) continue;
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
    }
  },
};

export default defineConfig({
  plugins: [svelte(), licenceNotice, gzipTwins],
  define: { __LICENCES__: JSON.stringify(`/${licenceFile}`) },
  build: {
    // The floor for CSS light-dark(): every browser since May 2024.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    // A data: URL would need a wider content security policy.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: { proxy: { '/netwright': 'http://127.0.0.1:9696', '/v2.0': 'http://127.0.0.1:9696' } },
});
