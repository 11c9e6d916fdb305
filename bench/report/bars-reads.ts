import type { Bar, Judgement } from './bar.ts';
import { figure, percent } from './markdown.ts';
import type { Parts } from './results.ts';

/** CPU per request of a server in the part `peers`, by its median. */
function cpuOf(
  peers: Parts['peers'] | undefined,
  server: string,
  workload: string,
): number | undefined {
  const found = peers?.find((each) => each.server === server && each.workload === workload);
  return found?.cpuUsPerRequest.median;
}

function timesLess(
  { peers }: Partial<Parts>,
  workload: string,
  [ours, other]: readonly [ours: string, other: string],
  least: number,
): Judgement | undefined {
  const [own, others] = [cpuOf(peers, ours, workload), cpuOf(peers, other, workload)];
  if (own === undefined || others === undefined) return undefined;
  const times = others / own;
  const measured = `${figure(times)} times: ${figure(own)} us, ${other} ${figure(others)} us`;
  return { measured, isMet: times >= least };
}

const STOCK = ['sideboard', 'stock-ts'] as const;
const JSON_PEERS = ['sideboard-json', 'feast-py-http'] as const;

function shareBar(workload: string, most: number): Bar {
  return {
    bar: `${workload}: CPU per request at most ${percent(most)} of the stock stack's`,
    part: 'peers',
    judge: ({ peers }) => {
      const [ours, stock] = STOCK.map((name) => cpuOf(peers, name, workload));
      if (ours === undefined || stock === undefined) return undefined;
      const measured = `${percent(ours / stock)}: ${figure(ours)} of ${figure(stock)} us`;
      return { measured, isMet: ours / stock <= most };
    },
  };
}

function timesBar(
  text: string,
  workload: string,
  pair: readonly [string, string],
  least: number,
): Bar {
  return {
    bar: `${workload}${text}`,
    part: 'peers',
    judge: (parts) => timesLess(parts, workload, pair, least),
  };
}

/** What a read costs beside others, all in one run, requests for other entities each. */
export const READ_BARS: readonly Bar[] = [
  shareBar('1x50', 0.4),
  shareBar('100x50', 0.65),
  timesBar(': at least 12 times less CPU than the stock stack', '1x50', STOCK, 12),
  timesBar(': at least 10 times less CPU than the stock stack', '100x50', STOCK, 10),
  {
    bar: '64x10: at most 350 us of CPU',
    part: 'peers',
    judge: ({ peers }) => {
      const us = cpuOf(peers, 'sideboard', '64x10');
      return us === undefined ? undefined : { measured: `${figure(us)} us`, isMet: us <= 350 };
    },
  },
  timesBar(', JSON: at least 30 times less CPU than `feast serve`', '1x50', JSON_PEERS, 30),
  timesBar(', JSON: at least 30 times less CPU than `feast serve`', '100x50', JSON_PEERS, 30),
];
