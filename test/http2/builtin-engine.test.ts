import { describe, expect, it, vi } from 'vitest';
import { createBuiltinEngine } from '../../src/http2/builtin-engine.ts';
import { END_STREAM, GET, headers, HELLO } from './frames.ts';
import { createRig, echo, eventually, type RawClient, type Rig } from './raw-client.ts';

// They take milliseconds, but the machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

const createKeepingRig = (): Rig => createRig({}, () => {}, createBuiltinEngine);

/** The GOAWAYs so far: last stream, code. */
function goaways(client: RawClient): [number, number][] {
  return client.frames
    .filter(({ type }) => type === 7)
    .map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)]);
}

/** Waits for trailers; their fields refer to those of earlier ones. */
async function isAnswered(client: RawClient, streamId: number): Promise<void> {
  await client.frame(
    `the end of stream ${streamId}`,
    (each) => each.type === 1 && each.streamId === streamId && (each.flags & END_STREAM) !== 0,
  );
}

async function isGreeted(client: RawClient): Promise<void> {
  await client.frame('SETTINGS', ({ type, flags }) => type === 4 && flags === 1);
}

describe('the engine built into Node, draining', () => {
  it('answers what has come, and says which stream was the last', async () => {
    const rig = createKeepingRig();
    const client = rig.connect(HELLO, headers(1, GET));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    const drained = rig.engine.drain();
    await client.frame('GOAWAY', ({ type }) => type === 7);
    client.send(headers(3, GET));
    rig.requests.forEach(echo);
    await isAnswered(client, 1);
    await drained;
    expect(goaways(client)).toEqual([[1, 0]]);
    expect(rig.requests).toHaveLength(1);
    expect(client.frames.some(({ streamId }) => streamId === 3)).toBe(false);
    expect(rig.engine.connectionCount).toBe(0);
  });

  it('closes a connection without streams', async () => {
    const rig = createKeepingRig();
    const client = rig.connect();
    await isGreeted(client);
    await rig.engine.drain();
    await eventually(() => expect(client.isEnded).toBe(true));
    expect(goaways(client)).toEqual([[0, 0]]);
  });

  it('answers what a connection brings along that begins only then, and ends it', async () => {
    const rig = createKeepingRig();
    await rig.engine.drain();
    const late = rig.connect(HELLO, headers(1, GET), headers(3, GET));
    await late.frame('GOAWAY', ({ type }) => type === 7);
    late.send(headers(5, GET));
    rig.requests.forEach(echo);
    await isAnswered(late, 1);
    await isAnswered(late, 3);
    await eventually(() => expect(rig.engine.connectionCount).toBe(0));
    expect(goaways(late)).toEqual([[3, 0]]);
    expect(rig.requests).toHaveLength(2);
    expect(late.isEnded).toBe(true);
  });

  it('waits for the first request of a client that lets the server speak first', async () => {
    const rig = createKeepingRig();
    await rig.engine.drain();
    const late = rig.connect();
    await isGreeted(late);
    late.send(headers(1, GET));
    await late.frame('GOAWAY', ({ type }) => type === 7);
    rig.requests.forEach(echo);
    await isAnswered(late, 1);
    await eventually(() => expect(late.isEnded).toBe(true));
    expect(goaways(late)).toEqual([[1, 0]]);
  });

  it('ends a connection that begins only then and asks for nothing', async () => {
    const rig = createKeepingRig();
    await rig.engine.drain();
    const late = rig.connect();
    await eventually(() => expect(late.isEnded).toBe(true));
    expect(goaways(late)).toEqual([[0, 0]]);
    await eventually(() => expect(rig.engine.connectionCount).toBe(0));
  });
});
