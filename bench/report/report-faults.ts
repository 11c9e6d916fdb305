import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultReport, FaultRow } from '../parts/faults.ts';
import { markdownTable } from './markdown.ts';

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'faults.md');
const BEGIN = '<!-- Figures: written by `npm run bench -- faults`. -->';
const END = '<!-- End of the figures. -->';

/** Replaces the figures in docs/faults.md; gives its path. @param provenance a line that says where they are from. */
export function writeFaults(report: FaultReport, provenance: string): string {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has lost the marks of its figures`);
  const figures = [faultTable(report), refusalTable(report), stormTable(report), provenance];
  const body = `${BEGIN}\n\n${figures.join('\n\n')}\n\n`;
  writeFileSync(PAGE, page.slice(0, begin) + body + page.slice(end));
  return PAGE;
}

/** Two lines per fault: ours, and ioredis in the same run. */
export function faultTable({ faults }: Pick<FaultReport, 'faults'>): string {
  return markdownTable(
    ['what breaks', 'client', 'reads', 'errors', 'longest window', 'wrong', 'late', 'p99', 'and'],
    faults.flatMap((row) => row.figures.map((_, i) => faultLine(row, i))),
  );
}

function faultLine({ name, figures }: FaultRow, i: number): string[] {
  const each = figures[i]!;
  const notes = Object.entries(i === 0 ? each.notes : {}).map(
    ([what, value]) => `${what} ${value}`,
  );
  if (!each.isRecovered) notes.push('**did not recover**');
  return [
    i === 0 ? name : '',
    each.client,
    String(each.reads),
    String(each.errors),
    `${Math.round(each.longestWindowMs)} ms`,
    String(each.wrong),
    String(each.late),
    `${each.p99Ms.toFixed(0)} ms`,
    notes.join(', '),
  ];
}

function refusalTable({ refusals }: FaultReport): string {
  return markdownTable(
    ['certificate', 'client', 'answered', 'error after', 'message'],
    refusals.map(({ fault, client, isAnswered, errorAfterMs, message }) => [
      fault,
      client,
      isAnswered ? '**yes**' : 'no',
      `${Math.round(errorAfterMs)} ms`,
      message.replaceAll(/:\d{4,5}\b/g, ':port').replaceAll('|', '\\|'),
    ]),
  );
}

function stormTable({ storms }: FaultReport): string {
  return markdownTable(
    [
      'client',
      'servers',
      'attempts in the first second',
      'in the busiest later one',
      'all read again after',
    ],
    storms.map(({ client, servers, firstSecond, busiestSecond, recoveredAfterMs }) => [
      client,
      String(servers),
      String(firstSecond),
      String(busiestSecond),
      `${Math.round(recoveredAfterMs)} ms`,
    ]),
  );
}
