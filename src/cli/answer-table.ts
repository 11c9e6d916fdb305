import Table from 'cli-table3';
import { durationText } from '../doctor/figures-text.ts';
import type { AnswerColumn, FeatureAnswer } from './feature-answer.ts';

/** Longer values are cut in a table; `--json` has them whole. */
const MAX_VALUE_LENGTH = 48;

const MARK_BY_STATUS: ReadonlyMap<string, string> = new Map([
  ['NOT_FOUND', 'not found'],
  ['OUTSIDE_MAX_AGE', 'too old'],
  ['NULL_VALUE', 'null value'],
  ['INVALID', 'invalid'],
]);

/**
 * A table with one line per entity row: value, a mark where the status is not PRESENT, and the age of the value. Where
 * that is wider than the terminal it is turned round: one line per feature.
 *
 * @param widthChars of the terminal
 */
export function answerTable(answer: FeatureAnswer, nowMs: number, widthChars: number): string {
  const names = answer.map(({ name }) => name);
  const rowCount = answer[0]?.values.length ?? 0;
  const cells = answer.map((column) =>
    Array.from({ length: rowCount }, (_, row) => cellText(column, row, nowMs)),
  );
  const rows = Array.from({ length: rowCount }, (_, row) => cells.map((column) => column[row]!));
  const wide = render(names, rows);
  if (wide.indexOf('\n') <= widthChars) return wide;
  const rowNames = Array.from({ length: rowCount }, (_, row) => `row ${row + 1}`);
  return render(
    ['feature', ...rowNames],
    cells.map((column, index) => [names[index]!, ...column]),
  );
}

function render(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

function cellText(column: AnswerColumn, row: number, nowMs: number): string {
  const text = column.values[row] ?? 'null';
  const value = text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text;
  const mark = MARK_BY_STATUS.get(column.statuses[row] ?? '');
  const age = ageText(column.eventTimestamps[row], nowMs);
  const notes = [mark, age].filter((note) => note !== undefined).join(', ');
  return notes === '' ? value : `${value}  (${notes})`;
}

/** `undefined` for the epoch, which stands for "no timestamp". */
function ageText(timestamp: string | undefined, nowMs: number): string | undefined {
  const atMs = Date.parse(timestamp ?? '');
  if (Number.isNaN(atMs) || atMs === 0) return undefined;
  const seconds = Math.round((nowMs - atMs) / 1000);
  return seconds < 0 ? `in ${durationText(-seconds)}` : durationText(seconds);
}
