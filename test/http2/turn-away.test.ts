import { expect, test } from 'vitest';
import { createEngine } from '../../src/http2/engine.ts';
import { encodeHeaderBlock } from '../../src/http2/header-block.ts';
import { RecentResets } from '../../src/http2/recent-resets.ts';
import { data, GET, headers, POST } from './frames.ts';
import { createRig, echo, eventually } from './raw-client.ts';

const NO_END = 0;
const REFUSAL = encodeHeaderBlock({ ':status': 200, 'grpc-status': 8 });

/** An engine whose application turns POST away and answers GET. */
const refusing = () =>
  createRig({}, echo, createEngine, ({ method }) => (method === 'POST' ? REFUSAL : undefined));

test('a request that is turned away has its answer before its content, and is told to stop', async () => {
  const rig = refusing();
  const client = rig.connect();
  client.send(headers(1, POST, NO_END));
  expect(await client.fields(1)).toMatchObject({ 'grpc-status': '8' });
  expect(await client.resetCode(1)).toBe(0);
  // What was on its way is dropped; the others go on.
  client.send(data(1, 'content', NO_END), data(1, 'more'), headers(3, GET));
  expect(await client.fields(3)).toMatchObject({ ':status': '200' });
  expect(rig.requests.map(({ head }) => head.method)).toEqual(['GET']);
  expect(rig.engine.counters).toMatchObject({
    streams: 2,
    streamsClosed: 2,
    streamsSucceeded: 2,
    streamErrors: 0,
  });
  rig.engine.close();
});

test('one whose end has come is not reset', async () => {
  const rig = refusing();
  const client = rig.connect();
  client.send(headers(1, POST), headers(3, GET));
  await client.fields(1);
  await client.fields(3);
  expect(client.frames.filter(({ type }) => type === 3)).toEqual([]);
  rig.engine.close();
});

test('trailers and frames of a thousand bytes after the refusal are no attack', async () => {
  const rig = refusing();
  const client = rig.connect();
  const content = new Uint8Array(1000);
  const last = 2 * 20_000 + 1;
  for (let id = 1; id < last; id += 2) {
    client.send(headers(id, POST, NO_END));
    for (let i = 0; i < 3; i++) client.send(data(id, content, NO_END));
    client.send(headers(id, [['x-checksum', '1']]));
  }
  client.send(headers(last, GET));
  expect(await client.fields(last)).toMatchObject({ ':status': '200' });
  await eventually(() => expect(rig.engine.counters.streamsClosed).toBe(20_001));
  expect(rig.engine.counters).toMatchObject({ connectionErrors: 0, streamErrors: 0 });
  rig.engine.close();
});

test('any thousand streams one after the other are remembered as reset', () => {
  const resets = new RecentResets();
  for (let id = 1; id < 100_000; id += 2) resets.add(id);
  const known = Array.from({ length: 50_000 }, (_, i) => 2 * i + 1).filter((id) => resets.has(id));
  expect([known.length, known[0], known.at(-1)]).toEqual([1024, 97_953, 99_999]);
});
