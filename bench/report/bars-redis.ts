import type { Bar, Judgement } from './bar.ts';
import { figure } from './markdown.ts';
import type { Parts } from './results.ts';
import { spreadOf } from './spread.ts';

type Reads = Parts['redis'];
type Figure = 'cpuUs' | 'redisCpuUs' | 'p50Us' | 'halfLoadP99Us';

const WHOLE_PATH = 'sideboard, to the response';
const FIRST = '100x50, written first';
const LAST = '100x50, written last';
/** What no read of more values may allocate more than one of fewer, to be called constant. */
const CONSTANT = 1.25;
/** Of the gain that was promised. */
const KEPT = 0.8;

/** Median of a client's rounds; NaN where it was not measured. */
function of(reads: Reads, client: string, shape: string, name: Figure): number {
  const found = reads.filter((each) => each.client === client && each.shape === shape);
  return found.length === 0 ? Number.NaN : spreadOf(found.map((each) => each[name])).median;
}

function readBar(bar: string, judge: (reads: Reads) => Judgement): Bar {
  return {
    bar,
    part: 'redis',
    judge: ({ redis }) => (redis === undefined ? undefined : judge(redis)),
  };
}

function cpuBar(shape: string, mostUs: number): Bar {
  return readBar(`${shape}: at most ${figure(mostUs)} us of our CPU per read`, (reads) => {
    const us = of(reads, WHOLE_PATH, shape, 'cpuUs');
    const ioredis = figure(of(reads, 'ioredis', shape, 'cpuUs'));
    const measured = `${figure(us)} us from request to response; ioredis alone ${ioredis} us`;
    return { measured, isMet: us <= mostUs };
  });
}

/** What reading from Redis costs and adds. */
export const REDIS_BARS: readonly Bar[] = [
  cpuBar(FIRST, 1300),
  cpuBar('1x50', 90),
  cpuBar('100x250', 9000),
  readBar('100x250: at most 10 ms of Redis’s CPU', (reads) => {
    const us = of(reads, WHOLE_PATH, '100x250', 'redisCpuUs');
    const ioredis = figure(of(reads, 'ioredis', '100x250', 'redisCpuUs') / 1000);
    const measured = `${figure(us / 1000)} ms; through ioredis ${ioredis} ms`;
    return { measured, isMet: us <= 10_000 };
  }),
  ...[FIRST, LAST].map((shape) =>
    readBar(`${shape}: p50 within 1.5 ms of the better of the two bare commands`, (reads) => {
      const ours = of(reads, WHOLE_PATH, shape, 'p50Us');
      const bare = ['bare socket', 'bare socket, whole hashes'].map((client) =>
        of(reads, client, shape, 'p50Us'),
      );
      const over = ours - Math.min(...bare);
      const measured = `${figure(over / 1000)} ms over: ${figure(ours / 1000)} ms, HMGET ${figure(bare[0]! / 1000)} ms, HGETALL ${figure(bare[1]! / 1000)} ms`;
      return { measured, isMet: over <= 1500 };
    }),
  ),
  {
    bar: '1x50 at half load: p99 under 0.3 ms over the bare Redis round trip',
    part: 'added',
    judge: ({ added }) => {
      const p99 = added?.fromDue.find(({ share }) => share === 0.99);
      if (added === undefined || p99 === undefined) return undefined;
      const interval = `with a likelihood of 95 % ${figure(p99.fromUs)} to ${figure(p99.toUs)}`;
      const measured = `${figure(p99.addedUs)} us over (${interval}): ${figure(p99.oursUs)} us, bare ${figure(p99.bareUs)} us; in our client p99 ${figure(added.own.p99Us)} us`;
      return added.isSound ? { measured, isMet: p99.toUs < 300 } : { measured };
    },
  },
  readBar(
    'what a read of 100 hashes allocates does not grow with the number of values',
    (reads) => {
      const shapes = ['100x10', FIRST, '100x250'];
      const heap = shapes.map((shape) =>
        Math.max(
          ...reads
            .filter((each) => each.client === 'sideboard' && each.shape === shape)
            .map((each) => each.sampledHeapBytes ?? Number.NaN)
            .filter((bytes) => bytes > 0),
        ),
      );
      const texts = heap.map((bytes, i) => `${shapes[i]} ${figure(bytes / 1024)} KiB`);
      const measured = `${texts.join(', ')} (sampling heap profiler)`;
      return { measured, isMet: heap[2]! <= CONSTANT * heap[0]! };
    },
  ),
  {
    bar: 'from 1 to 3 shards throughput grows in step until the cores are used up',
    part: 'shards',
    judge: ({ shards }, cores) => {
      if (shards === undefined) return undefined;
      const rate = (count: number): number =>
        spreadOf(
          shards
            .filter((each) => each.shards === count && each.workload === '100x50')
            .map((each) => each.requestsPerSecond),
        ).median;
      const times = rate(3) / rate(1);
      const measured = `100x50: ${figure(times)} times with three; ${cores} cores`;
      // One core for the server, one for each shard, one for the client.
      return cores < 5 ? { measured } : { measured, isMet: times >= 2.7 };
    },
  },
  {
    bar: `the doctor’s advice followed gives the gain that it promised (${KEPT * 100} % of it or more)`,
    part: 'doctor',
    judge: ({ doctor }) => {
      if (doctor === undefined) return undefined;
      const gains = doctor.reads.map(({ read, beforeUs, promisedUs, afterUs }) => ({
        read,
        promised: beforeUs / promisedUs,
        gain: beforeUs / afterUs,
      }));
      const measured = gains
        .map(({ read, promised, gain }) => {
          // Who promises little is not right either.
          const isTooLittle = promised < KEPT * gain ? ', which was promising too little' : '';
          return `${read}: ${figure(gain)} of ${figure(promised)} times${isTooLittle}`;
        })
        .join(', ');
      return { measured, isMet: gains.every(({ gain, promised }) => gain >= KEPT * promised) };
    },
  },
  {
    bar: 'under every fault no wrong value and no read more than 20 ms past its deadline',
    part: 'faults',
    judge: ({ faults }) => {
      if (faults === undefined) return undefined;
      const ours = faults.faults.flatMap(({ figures }) => figures.slice(0, 1));
      const sum = (name: 'wrong' | 'late' | 'reads'): number =>
        ours.reduce((total, each) => total + each[name], 0);
      const measured = `${sum('wrong')} wrong, ${sum('late')} late of ${sum('reads').toLocaleString('en')} reads under ${ours.length} faults`;
      return { measured, isMet: sum('wrong') === 0 && sum('late') === 0 };
    },
  },
  faultBar(
    'primary killed, reads from replicas too',
    'errors for less than a second',
    (windowMs) => windowMs < 1000,
  ),
  faultBar(
    'primary killed, reads from primaries',
    'errors no longer than the cluster takes to elect, plus 200 ms',
    (windowMs, electionMs) => windowMs <= electionMs + 200,
  ),
];

function faultBar(
  fault: string,
  promise: string,
  isMet: (windowMs: number, electionMs: number) => boolean,
): Bar {
  return {
    bar: `${fault}: ${promise}`,
    part: 'faults',
    judge: ({ faults }) => {
      const figures = faults?.faults.find(({ name }) => name === fault)?.figures[0];
      if (figures === undefined) return undefined;
      const { longestWindowMs, notes } = figures;
      const electionMs = notes['election ms'] ?? Number.NaN;
      const measured = `${figure(longestWindowMs)} ms; the election took ${figure(electionMs)} ms`;
      return { measured, isMet: isMet(longestWindowMs, electionMs) };
    },
  };
}
