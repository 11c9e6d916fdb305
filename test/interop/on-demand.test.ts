import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPython } from '../support/python.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import {
  callByStubs,
  makeFeastRepo,
  readBySdk,
  type FeastRepo,
  type FeatureAnswer,
  type FeatureRequest,
} from './feast-repo.ts';
import { runSideboard } from '../system/apply-fixture.ts';
import { startFeastTransformationServer, type ForeignServer } from './foreign-servers.ts';

const DEFINE = join(import.meta.dirname, 'python', 'define_on_demand.py');

let repo: FeastRepo;
let transformation: ForeignServer;
let server: SideboardProcess;

beforeAll(async () => {
  repo = await makeFeastRepo('  type: sqlite\n  path: online.db');
  await runPython(DEFINE, [repo.path], { cwd: repo.path });
  transformation = await startFeastTransformationServer(repo.path);
  await appendFile(
    join(repo.path, 'feature_store.yaml'),
    `feature_server:\n  transformation_service_endpoint: 127.0.0.1:${transformation.port}\n`,
  );
  server = await startSideboard({ repoPath: repo.path });
});
afterAll(async () => {
  await server?.stop();
  await transformation?.stop();
  await repo?.remove();
});

const entities = {
  driver_id: [1, 2, 3, 2],
  factor: [0.5, 1.5, 2.5, 3.5],
  bonus: [1, 2, 3, 4],
  town: ['Köln', 'Bern', 'Bern', 'Köln'],
};
const without = (...names: readonly (keyof typeof entities)[]): FeatureRequest['entities'] =>
  Object.fromEntries(Object.entries(entities).filter(([name]) => !names.includes(name as never)));

const REQUESTS: readonly (readonly [string, FeatureRequest])[] = [
  [
    'one view with request data',
    {
      features: ['scaled:scaled', 'scaled:sum', 'scaled:label', 'scaled:good'],
      entities: without('town'),
    },
  ],
  [
    'lists, moments and narrow numbers',
    {
      features: ['shaped:doubled', 'shaped:later', 'shaped:half', 'shaped:count', 'shaped:first'],
      entities: { driver_id: [1, 2, 7] },
    },
  ],
  [
    'views of two entities beside their sources',
    {
      features: ['combined:share', 'stats:trips', 'places:people'],
      entities: without('factor', 'bonus'),
    },
  ],
  [
    'full names',
    {
      features: ['stats:trips', 'scaled:sum', 'combined:share'],
      entities,
      full_feature_names: true,
    },
  ],
  ['a feature service', { feature_service: 'all', entities }],
  [
    'an entity that is not there',
    {
      features: ['combined:share', 'scaled:scaled'],
      entities: { driver_id: [1, 99], town: ['Bern', 'Bern'], factor: [1.5, 1.5], bonus: [1, 1] },
    },
  ],
];

describe('on-demand feature views, computed by Feast', () => {
  let answers: readonly (readonly [FeatureAnswer, FeatureAnswer])[];

  beforeAll(async () => {
    const requests = REQUESTS.map(([, request]) => request);
    const expected = await readBySdk(repo, requests);
    const found = await callByStubs(
      `127.0.0.1:${server.port}`,
      requests.map((request) => ({ ...request, service: 'GrpcFeatureServer' as const })),
    );
    answers = requests.map((_request, i) => [expected[i]!, found[i]!]);
  });

  test.each(REQUESTS.map(([title, request], i) => [title, request, i] as const))(
    '%s: as the SDK computes them',
    (_title, request, i) => {
      const [expected, found] = answers[i]!;
      if (!('columns' in expected) || !('columns' in found)) {
        throw new Error(JSON.stringify([expected, found]));
      }
      const names = expected.names.filter((name) => !(name in request.entities));
      expect(names.length).toBeGreaterThan(0);
      for (const name of names) {
        expect([name, found.columns[name]?.values]).toEqual([name, expected.columns[name]!.values]);
      }
    },
  );

  test('over JSON too, with request data in request_context', async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        features: ['stats:trips', 'scaled:sum'],
        entities: { driver_id: [1, 2] },
        request_context: { factor: [1, 1], bonus: [5, 6] },
      }),
    });
    const answer = (await response.json()) as {
      metadata: { feature_names: string[] };
      results: { values: unknown[] }[];
    };
    expect([response.status, answer.metadata.feature_names]).toEqual([
      200,
      ['driver_id', 'trips', 'sum'],
    ]);
    expect(answer.results.map(({ values }) => values)).toEqual([
      [1, 2],
      [10, 20],
      [16, 28],
    ]);
  });

  test('are computed when they are written, where they are kept', async () => {
    const post = (path: string, body: unknown): Promise<Response> =>
      fetch(`http://127.0.0.1:${server.port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const df = { town: ['Bern', 'Chur'], people: [7, 8] };
    const written = await post('/write-to-online-store', { feature_view_name: 'crowded', df });
    expect([written.status, await written.text()]).toEqual([200, 'null']);
    const request = { features: ['crowded:crowd'], entities: { town: ['Chur', 'Bern'] } };
    const answer = (await (await post('/get-online-features', request)).json()) as {
      results: { values: unknown[] }[];
    };
    expect(answer.results[1]!.values).toEqual([16, 14]);
    const [bySdk] = await readBySdk(repo, [request]);
    // The SDK's script answers with encoded values: int64 16 and 14.
    expect(bySdk).toMatchObject({ columns: { crowd: { values: ['2010', '200e'] } } });
  });

  test('are found computable by sideboard check', async () => {
    const { stdout } = await runSideboard(['-c', repo.path, 'check', '--json']);
    const findings = JSON.parse(stdout) as { part: string; level: string; message: string }[];
    expect(findings.find(({ part }) => part === 'on-demand views')).toMatchObject({
      level: 'ok',
      message: expect.stringMatching(/answers: .*Feast/) as string,
    });
  });

  test('say what is missing, what failed, and what cannot be computed', async () => {
    const [missing, failed, unsupported, wrong] = await callByStubs(
      `127.0.0.1:${server.port}`,
      [
        { features: ['scaled:sum'], entities: { driver_id: [1] } },
        { features: ['failing:never'], entities: { driver_id: [7] } },
        { features: ['in_python:other'], entities: { driver_id: [1] } },
        { features: ['scaled:sum'], entities: { driver_id: [1], factor: ['much'], bonus: [1] } },
      ].map((request): FeatureRequest => ({ ...request, service: 'GrpcFeatureServer' })),
    );
    expect(missing).toMatchObject({
      error: 'INVALID_ARGUMENT',
      message: expect.stringContaining('factor, bonus') as string,
    });
    expect(failed).toEqual({
      error: 'INTERNAL',
      message:
        'On-demand feature view failing: its function failed; the log of the transformation server says why',
    });
    expect(unsupported).toMatchObject({
      error: 'UNIMPLEMENTED',
      message: expect.stringContaining(
        'On-demand feature view in_python (mode python) cannot be computed here',
      ) as string,
    });
    expect(wrong).toEqual({
      error: 'INVALID_ARGUMENT',
      message: 'On-demand feature view scaled: the value of factor in row 0 is no DOUBLE',
    });
  });

  test('end with the deadline of their caller', async () => {
    const response = await fetch(
      `http://127.0.0.1:${server.port}/feast.serving.ServingService/GetOnlineFeatures`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'connect-timeout-ms': '500' },
        body: JSON.stringify({
          features: { val: ['slow:slept'] },
          entities: { driver_id: { val: [{ int64Val: '7' }] } },
        }),
      },
    );
    expect(await response.json()).toMatchObject({ code: 'deadline_exceeded' });
  });

  test('are UNAVAILABLE while the transformation server is down; stored features are not', async () => {
    await transformation.stop();
    const answers = await callByStubs(`127.0.0.1:${server.port}`, [
      {
        features: ['combined:share'],
        entities: { driver_id: [1], town: ['Bern'] },
        service: 'GrpcFeatureServer',
      },
      { features: ['stats:trips'], entities: { driver_id: [1] }, service: 'GrpcFeatureServer' },
    ]);
    expect(answers[0]).toMatchObject({
      error: 'UNAVAILABLE',
      message: expect.stringContaining('the transformation server at 127.0.0.1:') as string,
    });
    expect(answers[1]).toHaveProperty('columns.trips.statuses', [1]);
  });
});
