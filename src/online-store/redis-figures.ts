import type { RedisClient } from '../redis/redis-client.ts';
import type { StoreFigure } from './online-store.ts';
import type { RedisReader } from './redis-read.ts';

/** Groups of views that metrics name; others are only counted. */
const MAX_GROUPS_SHOWN = 50;
const MS_PER_SECOND = 1_000;

/** What a Redis store counts and measures, for the metrics. */
export function redisFigures(client: RedisClient, reader: RedisReader): readonly StoreFigure[] {
  const { moved, asked, retried, failed, joined, hedged } = client.counts;
  const nodes = client.nodes();
  const groups = reader.groups().slice(-MAX_GROUPS_SHOWN);
  const one = (value: number) => [{ labels: {}, value }];
  const counter = (name: string, help: string, samples: StoreFigure['samples']): StoreFigure => ({
    name,
    help,
    kind: 'counter',
    samples,
  });
  const gauge = (
    combine: StoreFigure['combine'],
    [name, help]: readonly [name: string, help: string],
    samples: StoreFigure['samples'],
  ): StoreFigure => ({ name, help, kind: 'gauge', combine, samples });
  return [
    counter(
      'redis_hash_reads_total',
      'Hashes read from Redis by the command (hmget, hgetall).',
      Object.entries(reader.countByShape).map(([shape, value]) => ({ labels: { shape }, value })),
    ),
    gauge(
      'max',
      [
        'redis_read_shape',
        'Always 1; its labels are views that are read together, how many fields, and the command that was found quicker.',
      ],
      groups.map(({ label: views, width, chooser: { shape } }) => ({
        labels: { views, fields: String(width), shape },
        value: 1,
      })),
    ),
    gauge(
      'average',
      ['redis_read_shape_seconds', 'Measured time of Redis and us per hash by views and command.'],
      groups.flatMap(({ label: views, width, chooser: { measured } }) => {
        const labels = { views, fields: String(width) };
        return measured === undefined
          ? []
          : [
              { labels: { ...labels, shape: 'hmget' }, value: measured.hmgetMs / MS_PER_SECOND },
              {
                labels: { ...labels, shape: 'hgetall' },
                value: measured.hgetallMs / MS_PER_SECOND,
              },
            ];
      }),
    ),
    counter(
      'redis_joined_reads_total',
      'Hashes that another request read in the same moment.',
      one(joined),
    ),
    counter(
      'redis_hedged_reads_total',
      'Reads asked of a second copy because the first was late.',
      one(hedged),
    ),
    counter(
      'redis_redirections_total',
      'Commands that a cluster sent to another node (moved, ask).',
      [
        { labels: { kind: 'moved' }, value: moved },
        { labels: { kind: 'ask' }, value: asked },
      ],
    ),
    counter('redis_retries_total', 'Commands sent again after a failure.', one(retried)),
    counter('redis_failed_commands_total', 'Commands that failed for good.', one(failed)),
    gauge(
      'min',
      ['redis_node_up', 'Whether a connection to the node stands.'],
      nodes.map(({ address: node, reads }) => ({ labels: { node }, value: reads.isReady ? 1 : 0 })),
    ),
    gauge(
      'average',
      ['redis_node_round_trip_seconds', 'Smoothed round trip of a PING.'],
      nodes.flatMap(({ address: node, roundTripMs }) =>
        roundTripMs === undefined ? [] : [{ labels: { node }, value: roundTripMs / MS_PER_SECOND }],
      ),
    ),
    gauge(
      'sum',
      [
        'redis_node_pending_commands',
        'Commands that wait to be sent to the node or to be answered by it.',
      ],
      nodes.map(({ address: node, pendingCount: value }) => ({ labels: { node }, value })),
    ),
    counter(
      'redis_node_connects_total',
      'Times that the connection for reads was made.',
      nodes.map(({ address: node, reads: { connectCount: value } }) => ({
        labels: { node },
        value,
      })),
    ),
  ];
}
