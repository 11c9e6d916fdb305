import type { AskedAtHalfLoad, HalfLoadFigures, HalfLoadRound } from '../parts/half-load.ts';
import type { Judgement } from './bar.ts';
import { figure, markdownTable, spreadText } from './markdown.ts';
import { spreadOf } from './spread.ts';

/** The bar: p99.9 stays under so many times p50. */
export const MOST_TIMES = 3;

const NAMES: Readonly<Record<AskedAtHalfLoad, string>> = {
  sideboard: '**sideboard**, gRPC',
  nghttpd: 'nghttpd, in C: a file of as many bytes, from memory',
  'bare Redis': 'Redis itself: the same commands on a bare socket, replies not looked at',
};
const NOTES = `By turns at the same rate from the same client, medians of the rounds; what was compiled had been compiled before. What is not ours is
the floor: no server of reads can have a shorter tail here. *Waited* is how long a thread was ready to run and something else had its core
(\`/proc/PID/schedstat\`), *helpers ran* how long the other threads of the server did, on its core too, *stolen* how long the hypervisor
ran others; milliseconds of each second. *In the server* is from when it has read the head of a request to the end of its answer, by the
buckets of its own histogram: the read of the store is in it, what lay unread in the server's socket, or in the client, is not.`;

/** Ours beside the floor of the same run. */
export function halfLoadTable({ ratePerSecond, rounds }: HalfLoadFigures): string {
  const head = ['1x50 at half load', 'p50 ms', 'p99 ms', 'p99.9 ms', 'p99.9 / p50'];
  head.push('p99 in the server', 'p99.9 in the server', 'late ms', 'server waited', 'helpers ran');
  head.push('Redis waited', 'client waited', 'stolen', 'longest GC ms');
  const rows = [...Map.groupBy(rounds, ({ asked }) => asked)].map(([asked, group]) => {
    const spread = (of: (round: HalfLoadRound) => number): string =>
      spreadText(spreadOf(group.map(of)));
    const middle = (of: (round: HalfLoadRound) => number | undefined): string =>
      figure(spreadOf(group.map((round) => of(round) ?? Number.NaN)).median);
    const { p50Ms, p99Ms, p999Ms } = tailOf(group);
    return [
      NAMES[asked],
      figure(p50Ms),
      figure(p99Ms),
      spread(({ latencies }) => latencies.p999Ms),
      figure(p999Ms / p50Ms),
      middle(({ servedP99Ms }) => servedP99Ms),
      middle(({ servedP999Ms }) => servedP999Ms),
      middle(({ lateP99Ms }) => lateP99Ms),
      middle(({ serverWaitedMs }) => serverWaitedMs),
      middle(({ helpersRanMs }) => helpersRanMs),
      middle(({ redisWaitedMs }) => redisWaitedMs),
      middle(({ clientWaitedMs }) => clientWaitedMs),
      middle(({ stolenMs }) => stolenMs),
      asked === 'sideboard' ? figure(longestGcMs(group)) : '',
    ];
  });
  return `${NOTES}\n\n${markdownTable(head, rows)}\n\n${figure(ratePerSecond)} requests/s.`;
}

/**
 * Whether a read's tail is as short as promised. Where it is not, and what is not ours breaks the same promise on its own (its p99.9 is
 * over so many times its own p50, and over so many times ours), this machine cannot tell.
 */
export function judgeHalfLoad({ rounds }: HalfLoadFigures): Judgement | undefined {
  const groups = Map.groupBy(rounds, ({ asked }) => asked);
  const ours = groups.get('sideboard');
  if (ours === undefined) return undefined;
  const { p50Ms, p999Ms } = tailOf(ours);
  const floors = [...groups].filter(([asked]) => asked !== 'sideboard');
  const texts = floors.map(([asked, group]) => {
    const floor = tailOf(group);
    return `${asked} ${figure(floor.p999Ms / floor.p50Ms)} times (${figure(floor.p999Ms)} ms, p50 ${figure(floor.p50Ms)} ms)`;
  });
  const waited = spreadOf(ours.map(({ serverWaitedMs = Number.NaN }) => serverWaitedMs)).median;
  const measured = [
    `${figure(p999Ms / p50Ms)} times: ${figure(p999Ms)} ms, p50 ${figure(p50Ms)} ms`,
    `longest GC ${figure(longestGcMs(ours))} ms, waited for its core ${figure(waited)} ms/s`,
    ...(texts.length === 0 ? [] : [`at the same rate ${texts.join(', ')}`]),
  ].join('; ');
  const isMet = p999Ms < MOST_TIMES * p50Ms;
  const isFloorAbove = floors.some(([, group]) => {
    const floor = tailOf(group);
    return floor.p999Ms >= MOST_TIMES * Math.max(floor.p50Ms, p50Ms);
  });
  return !isMet && isFloorAbove ? { measured } : { measured, isMet };
}

function tailOf(group: readonly HalfLoadRound[]): { p50Ms: number; p99Ms: number; p999Ms: number } {
  const middle = (name: 'p50Ms' | 'p99Ms' | 'p999Ms'): number =>
    spreadOf(group.map(({ latencies }) => latencies[name])).median;
  return { p50Ms: middle('p50Ms'), p99Ms: middle('p99Ms'), p999Ms: middle('p999Ms') };
}

function longestGcMs(group: readonly HalfLoadRound[]): number {
  return Math.max(0, ...group.map(({ gc }) => gc?.longestMs ?? 0));
}
