import { expect, test } from 'vitest';
import { parseClusterNodes } from '../../src/doctor/find-nodes.ts';

const ID = (digit: string): string => digit.repeat(40);

test('nodes are read from CLUSTER NODES, with their slots and what is wrong with them', () => {
  const text = [
    `${ID('a')} 10.0.0.1:6379@16379,redis-0.example.com myself,master - 0 0 1 connected 0-5460 5462 [5461->-${ID('b')}]`,
    `${ID('b')} 10.0.0.2:6379@16379 master,fail - 1 1 2 disconnected 5463-16383`,
    `${ID('c')} 10.0.0.3:6379@16379,,shard-id=f00 slave ${ID('a')} 0 1 1 connected`,
    `${ID('d')} :6380@16380 master - 0 0 3 connected`,
    `${ID('e')} :0@0 handshake - 0 0 0 connected`,
    `${ID('f')} 10.0.0.6:6379@16379 slave,fail? ${ID('b')} 0 1 2 connected`,
    '',
  ].join('\n');
  expect(parseClusterNodes(text)).toEqual([
    {
      addresses: ['10.0.0.1:6379', 'redis-0.example.com:6379'],
      role: 'primary',
      shard: 0,
      slots: [
        [0, 5460],
        [5462, 5462],
      ],
    },
    {
      addresses: ['10.0.0.2:6379'],
      role: 'primary',
      shard: 1,
      slots: [[5463, 16_383]],
      failure: 'the cluster has declared it failed',
    },
    { addresses: ['10.0.0.3:6379'], role: 'replica', shard: 0, slots: [] },
    // Suspected by one node alone.
    { addresses: ['10.0.0.6:6379'], role: 'replica', shard: 1, slots: [] },
  ]);
});

test('an address of the sixth version keeps its brackets, a missing one is left out', () => {
  const text = [
    `${ID('a')} fd00::1:6379@16379 myself,master - 0 0 1 connected 0-16383`,
    `${ID('b')} :6379@16379,redis-1.example.com slave ${ID('a')} 0 0 1 connected`,
  ].join('\n');
  expect(parseClusterNodes(text).map(({ addresses }) => addresses)).toEqual([
    ['[fd00::1]:6379'],
    ['redis-1.example.com:6379'],
  ]);
});
