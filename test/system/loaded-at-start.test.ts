import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { NODE_FLAGS } from '../support/sideboard-process.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const NODE = join(ROOT, 'node_modules', '.bin', 'node');

/** Loads what `sideboard serve` loads, and prints what came with it: Node's own modules, and files by their URL. */
const PROGRAM = `
import { registerHooks } from 'node:module';
const files = [];
registerHooks({ load(url, context, next) { files.push(url); return next(url, context); } });
await import('./src/cli/program.ts');
await import('./src/cli/serve-alone.ts');
process.stdout.write(JSON.stringify([...process.moduleLoadList, ...files]));
`;

it('a server that nobody has called has loaded nothing that only some callers need', async () => {
  const { stdout } = await promisify(execFile)(
    NODE,
    [...NODE_FLAGS, '--input-type=module', '-e', PROGRAM],
    { cwd: ROOT, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 },
  );
  const loaded = JSON.parse(stdout) as string[];
  expect(loaded).toContain('NativeModule http');
  expect(loaded.some((name) => name.includes('node_modules/zod/'))).toBe(true);
  const large =
    /undici|NativeModule http2$|node_modules\/(?:@connectrpc|@duckdb|@grpc|@aws-sdk|@azure|@google-cloud|apache-arrow|mysql2|pg|jose|@opentelemetry\/(?!api))\b/;
  expect(loaded.filter((name) => large.test(name))).toEqual([]);
});
