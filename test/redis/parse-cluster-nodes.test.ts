import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { parseClusterNodes } from '../../src/redis/parse-cluster-nodes.ts';

/** As Redis 7 writes it, with a host name, an old node without a bus port, and slots on their way in and out. */
const TEXT = `07c3 127.0.0.1:30004@31004,host4 slave e7d1 0 1426238317239 4 connected
e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 9000 [93-<-292f] [77->-67ed]
67ed 10.0.0.2:30002@31002,host2,shard-id=69bc myself-not,master,fail? - 0 1426238316232 2 disconnected 5461-8999
292f ::1:30003 master - 0 1426238318243 3 connected
aaaa :0@0 master,noaddr,fail - 0 0 0 disconnected
bbbb 10.0.0.9:30009@31009 handshake - 0 0 0 connected
vars currentEpoch 6 lastVoteEpoch 0
`;

test('primaries, with their slots, and what the one that answers takes in', () => {
  const { own, primaries } = parseClusterNodes(Buffer.from(TEXT));
  expect(own.id).toBe('e7d1');
  expect([0, 5460, 5461, 9000, 93, 77].map((slot) => own.has(slot))).toEqual([
    true,
    true,
    false,
    true,
    true,
    true,
  ]);
  expect([93, 9, 3, 77].map((slot) => own.isTakingIn(slot))).toEqual([true, false, false, false]);
  expect([93, 77, 7].map((slot) => own.isSending(slot))).toEqual([false, true, false]);
  expect(primaries.map(({ hasFailed, lastHeard }) => [hasFailed, lastHeard])).toEqual([
    [false, '0'],
    // One node misses it; the cluster has not agreed.
    [false, '1426238316232'],
    [false, '1426238318243'],
    [true, '0'],
  ]);
  expect(primaries.map(({ id, address, namedAddress }) => [id, address, namedAddress])).toEqual([
    ['e7d1', '127.0.0.1:30001', '127.0.0.1:30001'],
    ['67ed', '10.0.0.2:30002', 'host2:30002'],
    ['292f', '::1:30003', '::1:30003'],
    ['aaaa', ':0', ':0'],
  ]);
  expect(primaries[1]!.has(8_999)).toBe(true);
});

test.each(['', 'OK', TEXT.replace('myself,', '')])(
  'what is something else is refused: %j',
  (text) => {
    expect(() => parseClusterNodes(text)).toThrow(/in a way that is not known/);
  },
);
