import type { LatencyCurve } from '../parts/latency.ts';
import type { Bar } from './bar.ts';
import { figure, percent } from './markdown.ts';
import { MOST_TIMES, judgeHalfLoad } from './report-half-load.ts';
import type { Parts } from './results.ts';
import { spreadOf } from './spread.ts';

const MB_PER_MIB = 2 ** 20 / 1e6;
/** A cost that rises by no more is flat: it is what CPU per request is good to. */
const FLAT = 1.25;
/** With less of what was due the client is what is measured. */
const SENT_SHARE = 0.8;
/** A p99 that is no further off is the same one. */
const SAME_P99 = 1.5;

const median = (figures: readonly number[]): number => spreadOf(figures).median;

function curveOf(parts: Partial<Parts>, server: string): LatencyCurve | undefined {
  const curves = parts.latency?.curves;
  return curves?.find((curve) => curve.server === server && curve.workload === '1x50');
}

function overloadBar(
  bar: string,
  judge: (figures: Parts['overload'][number]) => { text: string; isMet: boolean },
): Bar {
  return {
    bar,
    part: 'overload',
    judge: ({ overload }) => {
      if (overload === undefined) return undefined;
      const judged = overload.flatMap((each) => {
        const most = beyond(each).at(-1)?.factor;
        if (most === undefined) return [];
        const { text, isMet } = judge(each);
        return [{ isMet, text: `${each.scenario} up to ${most} x: ${text}` }];
      });
      if (judged.length === 0) return { measured: 'the client could not send so much' };
      const measured = judged.map(({ text }) => text).join(', ');
      return { measured, isMet: judged.every(({ isMet }) => isMet) };
    },
  };
}

/** Loads beyond what the server can answer, as far as the client could send them. */
const beyond = ({ steps, capacityPerSecond }: Parts['overload'][number]) =>
  steps.filter(
    ({ factor, sentPerSecond }) =>
      factor > 1 && sentPerSecond >= SENT_SHARE * factor * capacityPerSecond,
  );

function flatBar(what: string, isOne: (load: Parts['scaling'][number]) => boolean): Bar {
  return {
    bar: `CPU per request flat ${what}: nowhere over ${FLAT} times that of one connection with one stream`,
    part: 'scaling',
    judge: ({ scaling }) => {
      if (scaling === undefined) return undefined;
      const groups = Map.groupBy(
        scaling.filter(isOne),
        (each) => `${each.connections} x ${each.streamsPerConnection}`,
      );
      const costs = [...groups].map(
        ([load, group]) => [load, median(group.map((each) => each.cpuUsPerRequest))] as const,
      );
      const one = costs.find(([load]) => load === '1 x 1')?.[1] ?? Number.NaN;
      const measured = costs.map(([load, us]) => `${load}: ${figure(us)} us`).join(', ');
      return { measured, isMet: costs.every(([, us]) => us <= FLAT * one) };
    },
  };
}

/** What the transport costs, how it holds up, and what a process takes. */
export const SERVER_BARS: readonly Bar[] = [
  {
    bar: 'echo of a reply of 1x50: at least 5 times less CPU than grpc-go’s echo',
    part: 'echo',
    judge: ({ echo }) => {
      const cpu = (engine: string): number[] =>
        (echo ?? [])
          .filter((each) => each.engine === engine && each.streamsPerConnection > 1)
          .filter(({ replyBytes }) => replyBytes > 1000)
          .map((each) => each.cpuUsPerRequest);
      const [own, go] = [cpu('own'), cpu('grpc-go')];
      if (own.length === 0 || go.length === 0) return undefined;
      const times = median(go) / median(own);
      const measured = `${figure(times)} times: ${figure(median(own))} us, grpc-go ${figure(median(go))} us`;
      return { measured, isMet: times >= 5 };
    },
  },
  {
    bar: 'a lone 1x50: p50 within 25 us of our engine’s echo plus a bare Redis round trip',
    part: 'latency',
    judge: (parts) => {
      const [ours, echo] = [curveOf(parts, 'sideboard'), curveOf(parts, 'limit-own')];
      if (ours === undefined || echo === undefined) return undefined;
      const bareUs = parts.latency!.bareRedisP50Us;
      const [lone, floor] = [1000 * ours.alone.p50Ms, 1000 * echo.alone.p50Ms];
      const over = lone - floor - bareUs;
      const measured = `${figure(over)} us over: ${figure(lone)} us, echo ${figure(floor)} us, Redis ${figure(bareUs)} us`;
      return { measured, isMet: over <= 25 };
    },
  },
  {
    bar: `1x50 at half load: p99.9 under ${MOST_TIMES} times p50`,
    part: 'latency',
    judge: ({ latency }) =>
      latency?.halfLoad === undefined ? undefined : judgeHalfLoad(latency.halfLoad),
  },
  flatBar('from 1 to 1,000 connections', (load) => load.streamsPerConnection === 1),
  flatBar('from 1 to 100 streams', (load) => load.connections === 1),
  {
    bar: 'two workers answer at least 1.8 times as much as one',
    part: 'workers',
    judge: ({ workers }) => {
      if (workers === undefined) return undefined;
      const rate = (count: number): number =>
        median(
          workers.filter((each) => each.workers === count).map((each) => each.requestsPerSecond),
        );
      const times = rate(2) / rate(1);
      const measured = `${figure(times)} times, on ${workers[0]!.cores} cores that Redis and the client share`;
      // On two cores Redis and the client need their share: less than two workers' worth may be all there is.
      return times < 1.8 && workers[0]!.cores < 3
        ? { measured }
        : { measured, isMet: times >= 1.8 };
    },
  },
  {
    bar: 'RSS at saturation (1x50) under 120 MB a worker',
    part: 'load',
    judge: ({ load }) => {
      const rss = load?.filter(({ scenario }) => scenario === '1x50').map(({ rssMiB }) => rssMiB);
      if (rss === undefined || rss.length === 0) return undefined;
      const mb = MB_PER_MIB * Math.max(...rss);
      return { measured: `${figure(mb)} MB at most`, isMet: mb < 120 };
    },
  },
  {
    bar: 'RSS with 1,000 views under 150 MB',
    part: 'memory',
    judge: ({ memory }) => {
      if (memory === undefined) return undefined;
      const mb = MB_PER_MIB * memory.afterLoadMiB;
      return { measured: `${figure(mb)} MB after plans and load`, isMet: mb < 150 };
    },
  },
  {
    bar: 'the first request of a process under 20 ms',
    part: 'cold',
    judge: ({ cold }) => {
      if (cold === undefined) return undefined;
      const ms = median(cold.map(({ firstRequestMs }) => firstRequestMs));
      return { measured: `${figure(ms)} ms`, isMet: ms < 20 };
    },
  },
  {
    bar: `a registry refresh slows no request down: p99 within ${SAME_P99} times of that without`,
    part: 'registry',
    judge: ({ registry }) => {
      if (registry === undefined) return undefined;
      const still = median(registry.map((each) => each.still.p99Ms));
      const reloading = median(registry.map((each) => each.reloading.p99Ms));
      const measured = `p99 ${figure(still)} ms without, ${figure(reloading)} ms with`;
      return { measured, isMet: reloading <= SAME_P99 * still };
    },
  },
  overloadBar('beyond capacity goodput stays at 90 % of it or more', (each) => {
    const least = Math.min(...beyond(each).map((step) => step.answeredPerSecond));
    const share = least / each.capacityPerSecond;
    const { byTheClockPerSecond } = each;
    const ofThat =
      byTheClockPerSecond === undefined
        ? ''
        : ` (${percent(least / byTheClockPerSecond)} of what it answers when calls come one by one)`;
    return { text: `${percent(share)}${ofThat}`, isMet: share >= 0.9 };
  }),
  overloadBar(
    'beyond capacity p99 of what is let in stays within twice that at half load, from when it was sent, while the client is on time',
    (each) => {
      const normal = each.steps[0]?.sentP99Ms ?? Number.NaN;
      const onTime = beyond(each).filter(({ lateP99Ms = 0 }) => lateP99Ms <= normal / 2);
      if (onTime.length === 0) return { text: 'the client was late', isMet: false };
      const most = Math.max(...onTime.map((step) => step.sentP99Ms ?? Number.NaN));
      const times = most / normal;
      const text = `${figure(times)} times (${figure(most)} ms, to ${onTime.at(-1)?.factor} x)`;
      return { text, isMet: times <= 2 };
    },
  ),
  overloadBar('beyond capacity memory stays flat (within a tenth of that at half load)', (each) => {
    const times =
      Math.max(...beyond(each).map((step) => step.rssMiB)) / (each.steps[0]?.rssMiB ?? 0);
    return { text: `${figure(times)} times`, isMet: times <= 1.1 };
  }),
  {
    bar: 'over a million requests neither memory (within a tenth) nor handles grow',
    part: 'soak',
    judge: ({ soak }) => {
      const [first, last] = [soak?.samples[1], soak?.samples.at(-1)];
      const judged = soak?.samples.find(({ requests }) => requests === soak.requests);
      if (first === undefined || judged === undefined || last === undefined) return undefined;
      const measured = `after ${judged.requests.toLocaleString('en')}: RSS ${figure(first.rssMiB)} to ${figure(judged.rssMiB)} MiB, handles ${first.activeHandles} to ${judged.activeHandles}; after ${last.requests.toLocaleString('en')}: ${figure(last.rssMiB)} MiB`;
      const isMet =
        judged.rssMiB <= 1.1 * first.rssMiB && last.activeHandles <= first.activeHandles;
      return { measured, isMet };
    },
  },
];
