import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LatencyCurve, LatencyFigures } from '../parts/latency.ts';
import { figure, markdownTable, percent } from './markdown.ts';
import { halfLoadTable } from './report-half-load.ts';
import { plotSvg, type PlotLine } from './plot.ts';
import { SERVER_NAMES } from './report-load.ts';

const COLOURS: Readonly<Record<string, string>> = {
  sideboard: '#c2185b',
  'sideboard-json': '#f48fb1',
  'stock-ts': '#1976d2',
  'feast-go': '#00897b',
  'feast-py-grpc': '#ef6c00',
  'feast-py-http': '#fbc02d',
  'limit-own': '#616161',
  'limit-grpc-go': '#9e9e9e',
  'limit-grpc-js': '#bdbdbd',
};
const NOTES = `Requests for other entities each, by the clock, whether or not earlier ones were answered; latency counts from when a request
was due. Loads are shares of what that server itself answered with all callers waiting. *Late* is how late the client was in
sending (p99): it shares a core with Redis, and what it is late by is in the latencies. GC is what \`--trace-gc\` tells of our
process during the step: collections, their sum, the longest.`;

/** Writes the plots of latency against load. */
export function writePlots({ curves }: LatencyFigures, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const workload of workloadsOf(curves)) {
    const name = `latency-${workload}.svg`;
    const lines = curves.filter((curve) => curve.workload === workload).flatMap(linesOf);
    const plot = {
      title: `${workload}: latency against load, p50 and p99 (dashed)`,
      xLabel: 'requests per second, one core for the server',
      yLabel: 'milliseconds',
      lines,
    };
    writeFileSync(join(folder, name), plotSvg(plot));
  }
}

function linesOf({ server, steps }: LatencyCurve): PlotLine[] {
  const label = (SERVER_NAMES[server] ?? server)
    .replaceAll('**', '')
    .replace(/: grpc-js, .*|,? echo of as many bytes$/, '');
  const colour = COLOURS[server] ?? '#000';
  const points = (of: (step: LatencyCurve['steps'][number]) => number): [number, number][] =>
    steps.map((step) => [step.answeredPerSecond, of(step)]);
  return [
    { label, colour, points: points(({ latencies }) => latencies.p50Ms) },
    { label: '  p99', colour, isDashed: true, points: points(({ latencies }) => latencies.p99Ms) },
  ];
}

function workloadsOf(curves: readonly LatencyCurve[]): string[] {
  return [...new Set(curves.map(({ workload }) => workload))];
}

/** The plots, and their figures in a table. */
export function latencyTables(figures: LatencyFigures): string {
  const sections = workloadsOf(figures.curves).map((workload) => {
    const rows = figures.curves
      .filter((curve) => curve.workload === workload)
      .flatMap((curve) => [aloneRow(curve), ...curve.steps.map(stepRow)]);
    const head = ['server', 'load', 'answered/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'slowest ms'];
    head.push('late ms', 'failed', 'GC');
    const plot = `![Latency against load, ${workload}](benchmarks/latency-${workload}.svg)`;
    return `### ${workload}\n\n${plot}\n\n${markdownTable(head, rows)}`;
  });
  const { halfLoad } = figures;
  if (halfLoad !== undefined) {
    sections.push(
      `### The tail of 1x50, and what is the machine's of it\n\n${halfLoadTable(halfLoad)}`,
    );
  }
  const bare = `A bare round trip of the commands of 1x50 to Redis, one after the other: p50 ${figure(figures.bareRedisP50Us)} us.`;
  return [NOTES, ...sections, bare].join('\n\n');
}

function aloneRow({ server, alone, capacityPerSecond }: LatencyCurve): string[] {
  const cells = [alone.p50Ms, alone.p99Ms, alone.p999Ms, alone.maxMs].map(figure);
  const name = SERVER_NAMES[server] ?? server;
  return [
    `${name}; at most ${figure(capacityPerSecond)}/s`,
    'one caller',
    '',
    ...cells,
    '',
    '',
    '',
  ];
}

function stepRow(step: LatencyCurve['steps'][number]): string[] {
  const { latencies, gc } = step;
  const cells = [latencies.p50Ms, latencies.p99Ms, latencies.p999Ms, latencies.maxMs].map(figure);
  const collected =
    gc === undefined
      ? ''
      : `${gc.count} in ${figure(gc.totalMs)} ms, longest ${figure(gc.longestMs)} ms`;
  const late = figure(step.lateP99Ms);
  return [
    '',
    percent(step.share),
    figure(step.answeredPerSecond),
    ...cells,
    late,
    String(step.failed),
    collected,
  ];
}
