import { afterEach, expect, test } from 'vitest';
import { packColumns } from '../../src/transformation/column-slab.ts';
import {
  startFunctionThread,
  type FunctionThread,
} from '../../src/transformation/function-thread.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { FunctionCall } from '../../src/transformation/run-function.ts';
import { makeRepository, type RepositoryFolder } from './apply-fixture.ts';

const HEAD = `
import { defineOnDemandFeatureView, defineRequestSource, Int64 } from 'sideboard';
const request = defineRequestSource({ name: 'request', schema: { turn: Int64 } });
let calls = 0n;
`;
/** Counts its calls; turn -1 runs for ever, -2 ends the process that it runs in. */
const VIEW = `
export const view = defineOnDemandFeatureView({
  name: 'view', sources: [request], schema: { calls: Int64 },
  compute: ({ turn }) => {
    while (turn[0] === -1n);
    if (turn[0] === -2n) process.exit(1);
    calls += 1n;
    return { calls: [calls] };
  },
});
`;

let repository: RepositoryFolder | undefined;
let thread: FunctionThread | undefined;
afterEach(async () => {
  await thread?.close();
  await repository?.remove();
});

const LIMITS = { timeoutMs: 5000, memoryMib: 64, onStray: () => undefined };
const WANTED = (): boolean => true;

async function start(source: string, loadTimeoutMs?: number): Promise<FunctionThread> {
  repository = await makeRepository('threads');
  await repository.write({ 'features.ts': source });
  const order = { repoPath: repository.path, onError: 'fail' as const };
  thread = await startFunctionThread(order, LIMITS, loadTimeoutMs);
  return thread;
}

function call(turn: bigint): FunctionCall {
  return {
    viewName: 'view',
    rowCount: 1,
    inputs: [{ name: 'turn', shortName: undefined, valueType: ValueType.INT64 }],
    values: packColumns(1, 1, () => writeValue(ValueType.INT64, turn)),
    outputs: [{ name: 'calls', valueType: ValueType.INT64 }],
  };
}

test('gives up on files that never come to their end', async () => {
  await expect(start(`${HEAD}${VIEW} for (;;);`, 500)).rejects.toThrow('longer than 500 ms');
});

test('does not run what nobody waits for any more', async () => {
  const { run } = await start(HEAD + VIEW);
  const first = run(call(1n), WANTED);
  const abandoned = run(call(2n), () => false);
  const last = run(call(3n), WANTED);
  await expect(abandoned).rejects.toMatchObject({ code: 'CANCELLED' });
  await first;
  const { values } = await last;
  expect(Buffer.from(values.bytes.subarray(0, values.ends[0]))).toEqual(
    Buffer.from(writeValue(ValueType.INT64, 2n)),
  );
});

test('blames the call that ended the thread, and gives back those behind it', async () => {
  const { run, isAlive } = await start(HEAD + VIEW);
  const [guilty, behind] = await Promise.allSettled([
    run(call(-2n), WANTED),
    run(call(1n), WANTED),
  ]);
  expect(guilty).toMatchObject({
    reason: { code: 'TRANSFORMATION_FAILED', message: expect.stringContaining('ended the thread') },
  });
  expect(behind).toMatchObject({ reason: { name: 'ThreadLost' } });
  expect(isAlive()).toBe(false);
});
