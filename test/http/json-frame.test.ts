import { describe, expect, it } from 'vitest';
import { frameFromJson } from '../../src/http/json-frame.ts';
import { errorOf } from '../retrieval/ask.ts';

const frame = (df: Record<string, unknown>) => frameFromJson(Buffer.from(JSON.stringify(df)), 0);

describe('the rows of a df', () => {
  it('have a single value beside arrays in each of them', () => {
    const { rowCount, columns } = frame({ id: [1, 2, 3], city: 'Rome' });
    expect(rowCount).toBe(3);
    const city = columns.get('city')!;
    expect([0, 1, 2].map((row) => city.plain(row))).toEqual(['Rome', 'Rome', 'Rome']);
  });

  it('are refused where single values would make too many of them', async () => {
    const singles = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`c${i}`, 1]));
    const rows = (count: number) => Array.from({ length: count }, () => 1);
    expect(frame({ ...singles, id: rows(1000) }).columns.size).toBe(101);
    const error = await errorOf(() => frame({ ...singles, id: rows(100_000) }));
    expect(error.code).toBe('INVALID_REQUEST');
    expect(error.message).toMatch(/100 single values.*100000 rows.*8000000/);
  });

  it('are refused where single values would make too many bytes of them', async () => {
    const rows = Array.from({ length: 1000 }, () => 1);
    expect(frame({ text: 'x'.repeat(10_000), id: rows }).rowCount).toBe(1000);
    const error = await errorOf(() => frame({ text: 'x'.repeat(100_000), id: rows }));
    expect(error.code).toBe('INVALID_REQUEST');
    expect(error.message).toMatch(/single values of 100002 bytes.*1000 rows.*67108864/);
  });

  it('are refused where they are very many', async () => {
    const ids = (count: number) => Buffer.from(`{"id":[${'1,'.repeat(count - 1)}1]}`);
    expect(frameFromJson(ids(1_000_000), 0).rowCount).toBe(1_000_000);
    const error = await errorOf(() => frameFromJson(ids(1_000_001), 0));
    expect(error.message).toBe('there are 1000001 rows, and 1000000 are taken at once; send fewer');
  });

  it('are refused where there are very many columns', async () => {
    const columns = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, []]));
    expect(frame(columns(10_000)).columns.size).toBe(10_000);
    const error = await errorOf(() => frame(columns(10_001)));
    expect(error.message).toBe('there are more than 10000 columns; send those of the view alone');
  });
});
