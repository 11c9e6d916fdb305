import { GHZ_CAVEAT } from '../load/ghz.ts';
import { figure, markdownTable, spreadText } from './markdown.ts';
import { LOAD_KINDS, type LoadKind } from '../parts/measure-load.ts';
import type { Parts } from './results.ts';
import { spreadOf, type Spread } from './spread.ts';

export const SERVER_NAMES: Readonly<Record<string, string>> = {
  sideboard: '**sideboard**, gRPC',
  'sideboard-json': '**sideboard**, JSON',
  'stock-ts': 'stock TypeScript: grpc-js, protobuf-es, ioredis',
  'feast-py-grpc': 'Feast Python, gRPC',
  'feast-py-http': 'Feast Python, JSON',
  'feast-go': 'Feast Go, gRPC',
  'limit-own': 'limit: our engine, echo of as many bytes',
  'limit-grpc-go': 'limit: grpc-go echo of as many bytes',
  'limit-grpc-js': 'limit: grpc-js echo of as many bytes',
};

const PEERS_NOTES = `Every request is for other entities than those before it, sent by one client of our own to every server, so that single
flight and whatever else joins equal reads has nothing to join. Every value of a reply was compared before. *Limits* decode
nothing and answer with as many bytes. A server that used less than its core waited for Redis and the client, which share the
other one: it wakes up more often per request than a busy one, so its figure is an upper bound. Feast's Go server joins where
\`FEAST_GO\` names a built one.`;

/** The servers beside each other, workload by workload, cheapest first. */
export function peersTable(peers: Parts['peers']): string {
  const workloads = [...new Set(peers.map(({ workload }) => workload))];
  const rows = workloads.flatMap((workload) =>
    peers
      .filter((each) => each.workload === workload)
      .sort((a, b) => a.cpuUsPerRequest.median - b.cpuUsPerRequest.median)
      .map((each) => [
        each.workload,
        SERVER_NAMES[each.server] ?? each.server,
        spreadText(each.cpuUsPerRequest),
        figure(1e6 / each.cpuUsPerRequest.median),
        figure(each.redisUsPerRequest.median),
        figure(100 * (each.busyShare?.median ?? Number.NaN)),
        optional(each.aloneP50Ms),
        figure(each.rssMiB.median),
      ]),
  );
  const head = ['rows x features', 'server', 'CPU us/request', '= requests/s per core'];
  head.push('Redis CPU us', 'of its core, %', 'alone p50 ms', 'RSS MiB');
  return `${markdownTable(head, rows)}\n\n${PEERS_NOTES}`;
}

function optional(spread: Spread | undefined): string {
  return spread === undefined ? '-' : spreadText(spread);
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
