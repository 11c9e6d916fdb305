import { defineConfig, type Plugin } from 'rolldown';
import packageJson from './package.json' with { type: 'json' };

/** What starts as a file of its own: the command, its threads, and what feature repositories and training code import. */
const ENTRIES = [
  'src/main.ts',
  'src/materialization-worker.ts',
  'src/transformation/function-worker.ts',
  'src/definitions/sideboard.ts',
  'src/historical-features.ts',
];

/**
 * Libraries that every server loads when it starts, and Connect's, which has to find the same copy of protobuf's. All others
 * stay in `node_modules`: they are loaded from there by those who need them.
 */
const BUNDLED = new Set([
  '@bufbuild/protobuf',
  '@connectrpc/connect',
  '@connectrpc/connect-node',
  '@opentelemetry/api',
  'cli-table3',
  'commander',
  'pino',
  'prom-client',
  'yaml',
  'zod',
]);

const external = Object.keys(packageJson.dependencies)
  .filter((name) => !BUNDLED.has(name))
  .map((name) => new RegExp(`^${name}(?:/|$)`));

/** One character beyond Latin-1 would have V8 keep the text of its whole file in two bytes per character. */
const asAscii: Plugin = {
  name: 'as-ascii',
  renderChunk: (code) => ({
    code: code.replaceAll(
      /[^\0-\x7f]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
    map: null,
  }),
};

/** `dist/`, as the image has it: readable files without comments, side by side, for one names the other by its place. */
export default defineConfig({
  input: ENTRIES,
  platform: 'node',
  external,
  plugins: [asAscii],
  // Minified, or rid of dead code, it would be printed once more, with its characters as they were.
  output: { dir: 'dist', cleanDir: true, sourcemap: true, comments: false, minify: false },
});
