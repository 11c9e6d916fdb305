import { figure, markdownTable, percent, spreadText } from './markdown.ts';
import type { Parts } from './results.ts';
import { spreadOf } from './spread.ts';

/** One worker beside two. */
export function workersTable(workers: Parts['workers']): string {
  const groups = Map.groupBy(workers, ({ workers: count }) => count);
  const rows = [...groups]
    .sort(([a], [b]) => a - b)
    .map(([count, group]) => [
      String(count),
      spreadText(spreadOf(group.map((each) => each.requestsPerSecond))),
      spreadText(spreadOf(group.map((each) => each.cpuUsPerRequest))),
      figure(spreadOf(group.map((each) => each.rssMiB)).median),
    ]);
  const { workload = '', cores = 0 } = workers[0] ?? {};
  const table = markdownTable(['workers', 'requests/s', 'CPU us/request', 'RSS MiB in all'], rows);
  return `${table}\n\n${workload}: of all work the one that leaves Redis and the client least to do, because they, too, run on the ${cores} cores.`;
}

/** One server on clusters of more and more shards. */
export function shardsTable(shards: Parts['shards']): string {
  const groups = Map.groupBy(shards, ({ workload, shards: count }) => `${workload}|${count}`);
  const rows = [...groups].map(([, group]) => [
    group[0]!.workload,
    String(group[0]!.shards),
    spreadText(spreadOf(group.map((each) => each.requestsPerSecond))),
    spreadText(spreadOf(group.map((each) => each.cpuUsPerRequest))),
    figure(spreadOf(group.map((each) => each.redisUsPerRequest)).median),
    percent(spreadOf(group.map((each) => each.shardBusyShare)).median),
  ]);
  const head = [
    'rows x features',
    'shards',
    'requests/s',
    'CPU us/request',
    'Redis CPU us, all shards',
  ];
  const table = markdownTable([...head, 'busiest shard, of a core'], rows);
  return `${table}\n\nAll shards and the client share one core here: with two cores more shards divide the work and add no room.`;
}

/** What the doctor promised, and what came of it. */
export function doctorTable({
  advice,
  bytesPerHash,
  reads,
  batchRedisUs,
}: Parts['doctor']): string {
  const rows = reads.map(({ read, features, ...us }) => [
    `${read} (${features} features)`,
    ...[us.beforeUs, us.promisedUs, us.afterUs].map(figure),
    `${figure(us.beforeUs / us.promisedUs)} times`,
    `${figure(us.beforeUs / us.afterUs)} times`,
  ]);
  const { before, promised, after } = bytesPerHash;
  rows.push(['bytes of a hash', ...[before, promised, after].map(figure), '', '']);
  const { before: batchBefore, after: batchAfter } = batchRedisUs;
  const gained = `${figure(batchBefore / batchAfter)} times`;
  rows.push([
    'Redis CPU us of 100x50, our read path',
    figure(batchBefore),
    '',
    figure(batchAfter),
    '',
    gained,
  ]);
  const head = ['Redis us per entity', 'before', 'promised', 'after', 'promised gain', 'gain'];
  return `Its advice for the published layout: \`${advice}\`, and to write the rows again.\n\n${markdownTable(head, rows)}`;
}
