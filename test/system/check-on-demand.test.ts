import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningServer } from '../../src/server.ts';
import { serveRepository } from '../support/repository-server.ts';
import {
  configuration,
  makeRepository,
  runSideboard,
  type RepositoryFolder,
} from './apply-fixture.ts';

const FEATURES = `
import { defineOnDemandFeatureView, defineRequestSource, Int64 } from 'sideboard';
const cart = defineRequestSource({ name: 'cart', schema: { count: Int64 } });
export const doubled = defineOnDemandFeatureView({
  name: 'doubled', sources: [cart], schema: { twice: Int64 },
  compute: ({ count }) => ({ twice: count }),
});
`;
const PYTHON = ['pandas', 'python'].map(
  (mode) => `
export const ${mode} = defineOnDemandFeatureView({
  name: 'in_${mode}', mode: '${mode}', sources: [cart], schema: { thrice: Int64 },
  pythonSource: 'def f(inputs):\\n    return inputs\\n',
});
`,
);

let repository: RepositoryFolder;
let server: RunningServer;

beforeAll(async () => {
  repository = await makeRepository('shop');
  await repository.write({ 'features.ts': FEATURES });
  expect((await runSideboard(['-c', repository.path, 'apply'])).stderr).toBe('');
  server = await serveRepository(repository.path);
});
afterAll(async () => {
  await server?.close();
  await repository?.remove();
});

/** What `check` finds of on-demand views: level and message. */
async function check(endpoint?: string): Promise<(readonly [string, string])[]> {
  const block =
    endpoint === undefined
      ? ''
      : `feature_server:\n  transformation_service_endpoint: ${endpoint}\n`;
  await repository.write({ 'feature_store.yaml': configuration('shop') + block });
  const { stdout, exitCode } = await runSideboard(['-c', repository.path, 'check', '--json']);
  expect(exitCode).toBe(0);
  const findings = JSON.parse(stdout) as { part: string; level: string; message: string }[];
  return findings
    .filter(({ part }) => part === 'on-demand views')
    .map(({ level, message }) => [level, message] as const);
}

test('finds the functions of the repository', async () => {
  expect(await check()).toEqual([
    ['ok', expect.stringMatching(/has the function of doubled$/) as string],
  ]);
});

test('says that a transformation server is away, or is none', async () => {
  const [away] = await check('127.0.0.1:1');
  expect(away).toEqual([
    'warning',
    'transformation server 127.0.0.1:1: nothing answers there; requests that need it are UNAVAILABLE',
  ]);
  const [other] = await check(`127.0.0.1:${server.address.port}`);
  expect(other?.[1]).toContain('it is no transformation server');
});

test('names what is computed nowhere, functions that were not applied, and files that do not load', async () => {
  await repository.write({ 'features.ts': FEATURES + PYTHON.join('') });
  expect((await runSideboard(['-c', repository.path, 'apply'])).stderr).toBe('');
  expect((await check())[0]).toEqual([
    'warning',
    'in_pandas (mode pandas), in_python (mode python) cannot be computed here: requests for them are UNIMPLEMENTED',
  ]);
  await repository.write({ 'features.ts': FEATURES });
  expect((await check()).at(-1)).toEqual([
    'warning',
    expect.stringContaining('doubled: its function in') as string,
  ]);
  await repository.write({ 'features.ts': 'throw new TypeError("a value");' });
  expect((await check()).at(-1)).toEqual([
    'warning',
    expect.stringMatching(/cannot be loaded .*; requests for doubled are UNAVAILABLE$/) as string,
  ]);
});
