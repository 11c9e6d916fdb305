import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const ENV = { SIDEBOARD_REGISTRY_POLL_MS: '20' };

let repository: ServedRepository;
let registryFile: string;
let server: SideboardProcess | undefined;

beforeEach(async () => {
  repository = await makeServedRepository();
  registryFile = join(repository.path, 'data', 'registry.db');
});

afterEach(async () => {
  await server?.stop();
  server = undefined;
  repository.remove();
});

async function start(): Promise<SideboardProcess> {
  server = await startSideboard({ repoPath: repository.path, env: ENV });
  return server;
}

/** Asks for a feature of driver 7; the status and what came as its value. */
async function ask(feature: string): Promise<readonly [number, unknown]> {
  const response = await fetch(`http://127.0.0.1:${server!.port}/get-online-features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ features: [feature], entities: { driver_id: [7] } }),
  });
  const body = (await response.json()) as { results?: { values: unknown[] }[] };
  return [response.status, body.results?.[1]?.values[0]];
}

/** Whether the registry in use has that view; nobody has made a table for it, so that asking for its features fails. */
async function isKnown(view: string): Promise<boolean> {
  return (await ask(`${view}:trips`))[0] !== 404;
}

/** The samples of a metric as they are written. */
async function samplesOf(metric: string): Promise<readonly string[]> {
  const text = await (await fetch(`${server!.adminUrl}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith(metric));
}

async function ageSeconds(): Promise<number> {
  const [sample] = await samplesOf('feature_server_registry_age_seconds ');
  return Number(sample?.split(' ')[1]);
}

it('takes what is applied while it serves, and shows its version and age', async () => {
  await start();
  expect(await ask('driver_stats:trips')).toEqual([200, 7]);
  expect(await isKnown('later')).toBe(false);
  expect(await samplesOf('feature_server_registry_info{')).toEqual([
    'feature_server_registry_info{version="driver_stats"} 1',
  ]);

  repository.writeRegistry(['driver_stats', 'later']);
  await waitUntil(() => isKnown('later'), { what: 'the new view' });
  expect(await ask('driver_stats:trips')).toEqual([200, 7]);
  expect(await samplesOf('feature_server_registry_info{')).toEqual([
    'feature_server_registry_info{version="driver_stats,later"} 1',
  ]);
  expect(await ageSeconds()).toBeLessThan(60);
  expect(await samplesOf('feast_online_features_status_total{')).toEqual([
    'feast_online_features_status_total{feature_view="driver_stats",status="present"} 2',
  ]);
});

it('keeps serving when the registry is cut, emptied or gone, tells so, and recovers', async () => {
  const { log } = await start();
  const failures = (): number => log.filter((line) => line.includes('last good one stays')).length;
  const whole = readFileSync(registryFile);
  for (const [index, breakIt] of [
    () => writeFileSync(registryFile, whole.subarray(0, whole.length - 30)),
    () => writeFileSync(registryFile, ''),
    () => rmSync(registryFile),
  ].entries()) {
    breakIt();
    await waitUntil(() => failures() === index + 1, { what: 'the failure in the log' });
    expect(await ask('driver_stats:trips')).toEqual([200, 7]);
  }
  expect((await fetch(`${server!.adminUrl}/readyz`)).status).toBe(200);
  const before = await ageSeconds();
  await waitUntil(async () => (await ageSeconds()) > before, { what: 'the age to grow' });
  expect(await samplesOf('feature_server_registry_reload_total{result="failed"}')).toHaveLength(1);

  repository.writeRegistry(['driver_stats', 'later']);
  await waitUntil(() => isKnown('later'), { what: 'the new view' });
  expect(await ask('driver_stats:trips')).toEqual([200, 7]);
});

it('starts without its registry from the copy, and not without both', async () => {
  await start();
  const copy = `${registryFile}.last-good`;
  await waitUntil(() => existsSync(copy), { what: 'the copy' });
  expect(await server!.stop()).toBe(0);

  writeFileSync(registryFile, '');
  const { log } = await start();
  expect(await ask('driver_stats:trips')).toEqual([200, 7]);
  expect(log.join('\n')).toMatch(/starting with .*registry\.db\.last-good of 2/);
  expect(await server!.stop()).toBe(0);

  rmSync(copy);
  await expect(start()).rejects.toThrow(/the server ended \(1\):[^]*registry\.db: it is empty/);
});
