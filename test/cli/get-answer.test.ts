import { describe, expect, it } from 'vitest';
import { answerTable } from '../../src/cli/answer-table.ts';
import { answerJson, answerOfJson, type FeatureAnswer } from '../../src/cli/feature-answer.ts';
import { parseJson } from '../../src/http/json-parser.ts';

const EPOCH = '1970-01-01T00:00:00Z';
const NOW_MS = Date.parse('2026-01-03T00:00:00Z');

const ANSWER: FeatureAnswer = [
  {
    name: 'driver_id',
    values: ['1001', '9007199254740993'],
    statuses: ['PRESENT', 'PRESENT'],
    eventTimestamps: [EPOCH, EPOCH],
  },
  {
    name: 'conv_rate',
    values: ['1.0', 'null'],
    statuses: ['OUTSIDE_MAX_AGE', 'NOT_FOUND'],
    eventTimestamps: ['2026-01-01T00:00:00Z', EPOCH],
  },
];

describe('answerTable', () => {
  it('has one line per row with marks and ages', () => {
    const lines = answerTable(ANSWER, NOW_MS, 200).split('\n');
    expect(lines).toHaveLength(7);
    expect(lines[1]).toMatch(/driver_id\s+│ conv_rate/);
    expect(lines[3]).toMatch(/1001\s+│ 1\.0 {2}\(too old, 2 d\)/);
    expect(lines[5]).toMatch(/9007199254740993\s+│ null {2}\(not found\)/);
  });

  it('turns round where the terminal is too narrow, and cuts long values', () => {
    const long = { ...ANSWER[0]!, name: 'text', values: [`"${'x'.repeat(500)}"`, '""'] };
    const table = answerTable([...ANSWER, long], NOW_MS, 60);
    expect(table).toMatch(/feature\s+│ row 1\s+│ row 2/);
    expect(table).toMatch(/conv_rate │ 1\.0 {2}\(too old, 2 d\)/);
    expect(table).toMatch(/text\s+│ "x{46}… /);
  });
});

describe('answerJson', () => {
  it('has the shape of the HTTP API, exact integers, and reads back as the same answer', () => {
    const text = answerJson(ANSWER);
    expect(text).toContain('"values":[1001,9007199254740993]');
    expect(text).toContain('"values":[1.0,null]');
    expect(answerOfJson(parseJson(text))).toEqual(ANSWER);
  });
});
