import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { textsOf } from '../support/page-blocks.ts';
import { feastPython, interopPath, pythonEnvironment, pythonProgram } from '../support/python.ts';
import { makeReader, type Reader } from '../support/reader.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PAGE = 'docs/migrating-from-feast.md';
const PATIENCE_MS = 550_000;

/** The page as a reader follows it: its commands, one after the other, in an empty folder with the real Feast. */
describe(PAGE, () => {
  let reader: Reader;
  /** What each block of commands printed. */
  let printed: readonly string[];
  let titles: readonly string[];

  beforeAll(async () => {
    reader = await makeReader({
      commands: new Map<string, readonly string[]>([
        ['feast', pythonProgram('feast')],
        ['python3', [feastPython()]],
        ['grpcurl', [interopPath('bin/grpcurl')]],
      ]),
      ports: [6576, 6577, 6569],
      env: pythonEnvironment(),
      patienceMs: PATIENCE_MS,
    });
    const blocks = textsOf(PAGE, 'sh');
    titles = blocks.map((block) => block.split('\n', 1)[0]!);
    printed = await reader.follow(blocks);
  });

  afterAll(() => reader.remove());

  /** What the block that begins so printed. */
  function outputOf(beginning: string): string {
    const at = titles.findIndex((title) => title.startsWith(beginning));
    return printed[at]!;
  }

  test('makes a repository that is found to be in order', () => {
    expect(printed).toHaveLength(titles.length);
    const report = outputOf('sideboard -c my_project/feature_repo check');
    expect(report).toContain('project my_project');
    expect(report).not.toMatch(/error/i);
  });

  test('gets the same answers from both servers', () => {
    const answer = outputOf('cat > columns.py');
    expect(answer.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'avg_daily_trips',
      'conv_rate',
      'driver_config',
      'driver_id',
    ]);
    expect(answer).toMatch(
      /conv_rate \[0\.\d+, 0\.\d+, 0\.\d+, None\] .*'PRESENT', 'PRESENT', 'PRESENT', 'NOT_FOUND'/,
    );
    expect(outputOf('feast -c my_project/feature_repo serve_transformations')).toMatch(
      /conv_rate_plus_val1 \[1000\.\d+\] \['PRESENT'\]/,
    );
  });

  test('reads by the SDK and by gRPC', () => {
    expect(outputOf('mkdir -p client')).toMatch(/'driver_id': \[1001\]/);
    expect(outputOf('grpcurl').match(/"floatVal": 0\.\d+/g)).toHaveLength(2);
  });

  test('has what was pushed read by Feast, and keeps it on the way there and back', () => {
    const seven = /avg_daily_trips \[7\] \['PRESENT'\]/;
    expect(outputOf('now=')).toMatch(seven);
    expect(outputOf('kill $feast_server $sideboard_server')).toMatch(/\b7\b/);
    expect(outputOf('kill $sideboard_server; wait')).toMatch(seven);
  });

  test('configures containers by what there is', async () => {
    const [compose, pod] = textsOf(PAGE, 'yaml').map((text) => parse(text) as unknown);
    const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
    expect(dockerfile).toContain('WORKDIR /repo');
    expect(dockerfile).toContain('EXPOSE 6566 6567');
    expect(compose).toMatchObject({
      services: {
        features: { ports: ['6566:6566', '6567:6567'], volumes: ['./feature_repo:/repo'] },
      },
    });
    expect(pod).toMatchObject({
      containers: [
        {
          ports: [{ containerPort: 6566 }, { name: 'admin', containerPort: 6567 }],
          livenessProbe: { httpGet: { path: '/healthz', port: 'admin' } },
          readinessProbe: { httpGet: { path: '/readyz', port: 'admin' } },
        },
      ],
    });
  });
});
