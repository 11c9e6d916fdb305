import type { AddedLatencyFigures, AddedQuantile } from '../parts/added-latency.ts';
import { figure, markdownTable } from './markdown.ts';

const NOTES = `Reads of 1x50 by the clock at half load, bare and through our client: two processes on one core by turns, a tenth of a
second each; pairs in which the processes had less than 95 % of their core, because others took it, are left out. "Added" is the difference of the quantiles, and where it lies with a
likelihood of 95 %. "In our client" is from a read's beginning to its command's being written, and from its reply's arrival to the answer.`;

/** What a read through our client takes longer than a bare one. */
export function addedTable(figures: AddedLatencyFigures): string {
  const { fromDue, fromBegin, withoutGc, own, gc, pairs, disturbedPairs, reads, intervalUs } =
    figures;
  const row = (what: string, { share, oursUs, bareUs, addedUs, fromUs, toUs }: AddedQuantile) => [
    what,
    `p${share * 100}`,
    ...[oursUs, bareUs, addedUs].map(figure),
    `${figure(fromUs)} to ${figure(toUs)}`,
  ];
  const rows = [
    ...fromDue.map((each) => row('from when a read was due', each)),
    ...fromBegin.map((each) => row('from when it began', each)),
    ...withoutGc.map((each) =>
      row('from when it was due, without reads that a GC fell into', each),
    ),
  ];
  const table = markdownTable(['', '', 'ours us', 'bare us', 'added us', '95 %'], rows);
  const spent = ({ p50Us, p99Us, p999Us }: AddedLatencyFigures['own']): string =>
    `p50 ${figure(p50Us)} us, p99 ${figure(p99Us)} us, p99.9 ${figure(p999Us)} us`;
  const inClient = `In our client: ${spent(own)}.`;
  const collected = `${gc.count} garbage collections in ${figure(gc.totalMs)} ms, longest ${figure(gc.longestMs)} ms`;
  const doubt = figures.isSound
    ? ''
    : ' The machine was busy with something else: these figures say nothing.';
  return `${NOTES}\n\n${table}\n\n${inClient} ${reads} reads in ${pairs} pairs of blocks (${disturbedPairs} left out), one every ${figure(intervalUs)} us; ${collected}.${doubt}`;
}
