import { GHZ_CAVEAT } from '../load/ghz.ts';
import { figure, markdownTable, percent, spreadText } from './markdown.ts';
import { LOAD_KINDS, type LoadKind } from '../parts/measure-load.ts';
import type { PeerFigures } from '../parts/peers.ts';
import type { Parts } from './results.ts';
import { spreadOf, type Spread } from './spread.ts';

const NAMES: Readonly<Record<string, string>> = {
  sideboard: '**sideboard**, gRPC',
  'sideboard-json': '**sideboard**, JSON',
  'stock-ts': 'stock TypeScript: grpc-js, protobuf-es, ioredis',
  'feast-py-grpc': 'Feast Python, gRPC',
  'feast-py-http': 'Feast Python, JSON',
  'limit-grpc-go': 'limit: grpc-go echo of as many bytes',
  'limit-grpc-js': 'limit: grpc-js echo of as many bytes',
};

/** Bars on CPU per request as a share of the stock stack's. */
const SHARE_BARS = [
  { workload: '1x50', most: 0.4 },
  { workload: '100x50', most: 0.65 },
] as const;
const MOST_RSS_MIB = 150;
const MOST_FIRST_REQUEST_MS = 20;

/** The servers beside each other, workload by workload, cheapest first. */
export function peersTable(peers: Parts['peers']): string {
  const workloads = [...new Set(peers.map(({ workload }) => workload))];
  const rows = workloads.flatMap((workload) =>
    peers
      .filter((each) => each.workload === workload)
      .sort((a, b) => a.cpuUsPerRequest.median - b.cpuUsPerRequest.median)
      .map((each) => [
        each.workload,
        NAMES[each.server] ?? each.server,
        spreadText(each.cpuUsPerRequest),
        figure(1e6 / each.cpuUsPerRequest.median),
        figure(each.redisUsPerRequest.median),
        optional(each.aloneP50Ms),
        optional(each.loadedP50Ms),
        optional(each.loadedP99Ms),
        figure(each.rssMiB.median),
        faultsText(each),
      ]),
  );
  const head = ['rows x features', 'server', 'CPU us/request', '= requests/s per core'];
  head.push('Redis CPU us', 'alone p50 ms', 'at load p50 ms', 'p99 ms', 'RSS MiB', 'answers');
  return markdownTable(head, rows);
}

function faultsText({ server, faults }: PeerFigures): string {
  if (faults.length > 0) return `${faults.length} faults: ${faults[0] ?? ''}`;
  return server.startsWith('limit') ? 'fixed bytes' : 'verified';
}

function optional(spread: Spread | undefined): string {
  return spread === undefined ? '-' : spreadText(spread);
}

/** What this stage of the project promised, and what was measured. */
export function barsTable(figures: {
  readonly [Name in 'peers' | 'memory' | 'cold' | 'registry']: Parts[Name] | undefined;
}): string {
  const { peers, memory, cold, registry } = figures;
  const rows = SHARE_BARS.map(({ workload, most }) => {
    const cpu = (server: string): number | undefined =>
      peers?.find((each) => each.server === server && each.workload === workload)?.cpuUsPerRequest
        .median;
    const [ours, stock] = [cpu('sideboard'), cpu('stock-ts')];
    const bar = `${workload}: CPU per request, at most ${percent(most)} of the stock stack's`;
    if (ours === undefined || stock === undefined) return [bar, 'not measured', '-'];
    const share = ours / stock;
    return [
      bar,
      `${percent(share)} (${figure(ours)} of ${figure(stock)} us)`,
      verdict(share <= most),
    ];
  });
  const rss = memory?.afterLoadMiB;
  rows.push([
    `RSS with 1,000 views under ${MOST_RSS_MIB} MB`,
    rss === undefined ? 'not measured' : `${figure((rss * 2 ** 20) / 1e6)} MB after plans and load`,
    rss === undefined ? '-' : verdict((rss * 2 ** 20) / 1e6 < MOST_RSS_MIB),
  ]);
  const first = cold && spreadOf(cold.map(({ firstRequestMs }) => firstRequestMs));
  rows.push([
    `cold first request under ${MOST_FIRST_REQUEST_MS} ms`,
    first === undefined ? 'not measured' : `${spreadText(first)} ms`,
    first === undefined ? '-' : verdict(first.median < MOST_FIRST_REQUEST_MS),
  ]);
  const p99 = (which: 'still' | 'reloading'): string =>
    registry === undefined ? '-' : spreadText(spreadOf(registry.map((each) => each[which].p99Ms)));
  rows.push([
    'a registry refresh slows no request down',
    registry === undefined
      ? 'not measured'
      : `p99 ${p99('still')} ms without, ${p99('reloading')} ms with`,
    'see below',
  ]);
  return markdownTable(['bar', 'measured', 'met'], rows);
}

function verdict(met: boolean): string {
  return met ? 'yes' : '**no**';
}

const KIND_NAMES: Readonly<Record<LoadKind, string>> = {
  joined: 'one request, equal reads joined',
  each: 'one request, each read made',
  distinct: 'other entities each',
};

/** Our own server by scenario and kind of load. */
export function loadTable(load: Parts['load']): string {
  const groups = Map.groupBy(load, ({ scenario, kind }) => `${scenario}|${kind ?? 'joined'}`);
  const scenarios = new Set(load.map(({ scenario }) => scenario));
  const rows = [...scenarios].flatMap((scenario) =>
    LOAD_KINDS.flatMap((kind) => {
      const group = groups.get(`${scenario}|${kind}`);
      if (group === undefined) return [];
      const cpu = spreadOf(group.map((each) => each.cpuUsPerRequest));
      const row = [scenario, KIND_NAMES[kind], spreadText(cpu), figure(1e6 / cpu.median)];
      row.push(spreadText(spreadOf(group.map((each) => each.requestsPerSecond))));
      return [[...row, figure(spreadOf(group.map((each) => each.rssMiB)).median)]];
    }),
  );
  const head = ['rows x features', 'load', 'CPU us/request', '= requests/s per core'];
  const table = markdownTable([...head, 'measured requests/s', 'RSS MiB'], rows);
  return `${table}\n\nh2load sends one request again and again, and single flight reads once for all that ask for the same entities in the same moment: "joined" is that, the other two are without its help. Traffic is like the last: its requests are for other entities each, sent by our own client.`;
}

/** The scenarios through ghz. */
export function ghzTable(ghz: Parts['ghz']): string {
  const rows = ghz.map((each) => [
    each.scenario,
    each.ratePerSecond === undefined ? 'closed, 4 workers' : `open, ${each.ratePerSecond}/s`,
    figure(each.requestsPerSecond),
    String(each.count),
    String(each.errors),
    ...[each.sent.p50Ms, each.sent.p99Ms, each.sent.p999Ms].map(figure),
    ...[each.corrected.p50Ms, each.corrected.p99Ms, each.corrected.p999Ms].map(figure),
    each.correction,
  ]);
  const head = ['rows x features', 'loop', 'requests/s', 'requests', 'errors', 'p50 ms', 'p99 ms'];
  head.push('p99.9 ms', 'corrected p50 ms', 'p99 ms', 'p99.9 ms', 'corrected how');
  return `${markdownTable(head, rows)}\n\n${GHZ_CAVEAT} Corrected: with the waits that coordinated omission left out. Rounds are merged.`;
}
