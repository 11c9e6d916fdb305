import { describe, expect, test } from 'vitest';
import { advisePacking } from '../../src/doctor/advise-packing.ts';
import type { NodeFacts } from '../../src/doctor/node-facts.ts';
import type { PackingFigures, ReadTimes } from '../../src/doctor/packing-figures.ts';

const MIB = 1024 * 1024;

function times(hmgetUs: number, hgetallUs: number): ReadTimes {
  return { hmgetUs, hgetallUs, basis: 'measured' };
}

function figures(changes: Partial<PackingFigures>): PackingFigures {
  return {
    entity: 'customer',
    encoding: 'listpack',
    isPacked: true,
    sampledHashes: 10,
    encodedHashes: 10,
    totalHashes: 1_000,
    fieldCount: { min: 275, median: 275, max: 275 },
    longestValueBytes: 12,
    bytesPerHash: { now: 4_000, other: 16_000, basis: 'estimated' },
    reads: [{ name: 'one', featureCount: 20, now: times(60, 14), other: times(4, 30) }],
    ...changes,
  };
}

const PACKED_WELL = figures({
  entity: 'shop',
  fieldCount: { min: 11, median: 11, max: 11 },
  reads: [{ name: 'two', featureCount: 10, now: times(0.8, 0.6), other: times(0.5, 0.6) }],
});

function node(info: Record<string, string>, entries = '512', major = 7): NodeFacts {
  const kind = major < 7 ? 'ziplist' : 'listpack';
  return {
    major,
    info: new Map(Object.entries(info)),
    settings: new Map([
      [`hash-max-${kind}-entries`, entries],
      [`hash-max-${kind}-value`, '64'],
    ]),
  } as unknown as NodeFacts;
}

const ROOMY = node({ maxmemory: '0', used_memory: String(MIB) });

describe('unpacking', () => {
  test('is advised where a read gains, with a limit beneath what gains and above what does not', () => {
    const [wide, narrow] = advisePacking([figures({}), PACKED_WELL], [ROOMY]);
    expect(wide).toMatchObject({
      level: 'advice',
      where: 'customer',
      message: expect.stringContaining('unpacked 4.00 us, 3.5 times less') as string,
      remedy: expect.stringMatching(
        /^CONFIG SET hash-max-listpack-entries 128 .*\(now 512\)/,
      ) as string,
    });
    expect(wide?.message).toContain('3.9 KiB -> 15.6 KiB per hash');
    expect(wide?.message).toContain('about 11.4 MiB for about 1000 hashes');
    expect(narrow).toMatchObject({ level: 'ok', where: 'shop' });
  });

  test('leaves what does not gain packed where that is possible', () => {
    const limitOf = (min: number, staying: number): string | undefined => {
      const paying = figures({ fieldCount: { min, median: min, max: min } });
      const other = { ...PACKED_WELL, fieldCount: { min: 1, median: 9, max: staying } };
      return / (\d+) on every node/.exec(advisePacking([paying, other], [ROOMY])[0]!.remedy!)?.[1];
    };
    expect(limitOf(275, 11)).toBe('128');
    expect(limitOf(100, 11)).toBe('64');
    expect(limitOf(100, 80)).toBe('80');
    // Not possible: what gains is narrower.
    expect(limitOf(100, 200)).toBe('64');
  });

  test('is named as this server names it', () => {
    const [finding] = advisePacking([figures({})], [node({ maxmemory: '0' }, '512', 6)]);
    expect(finding?.remedy).toContain('hash-max-ziplist-entries');
  });

  test('says which reads it lengthens', () => {
    const both = figures({
      reads: [
        { name: 'all', featureCount: 250, now: times(200, 14), other: times(21, 30) },
        ...figures({}).reads,
      ],
    });
    expect(advisePacking([both], [ROOMY])[0]?.message).toContain(
      '; but longer for all 14.0 us -> 21.0 us.',
    );
  });

  test('says when the memory is not there', () => {
    const tight = node({ maxmemory: String(20 * MIB), used_memory: String(10 * MIB) });
    expect(advisePacking([figures({})], [tight])[0]?.message).toContain('raise maxmemory first');
    expect(advisePacking([figures({})], [ROOMY])[0]?.message).not.toContain('maxmemory');
  });

  test('waits for a write where the limit is set already', () => {
    const [finding] = advisePacking([figures({})], [node({ maxmemory: '0' }, '128')]);
    expect(finding?.remedy).toMatch(/^hash-max-listpack-entries is 128 already; /);
  });

  test('is not advised for a gain that nobody notices', () => {
    const small = { name: 'one', featureCount: 5, now: times(2, 2), other: times(0.5, 2) };
    expect(advisePacking([figures({ reads: [small] })], [ROOMY])[0]?.level).toBe('ok');
    const unknown = { name: 'one', featureCount: 5, now: times(9, 9), other: undefined };
    expect(advisePacking([figures({ reads: [unknown] })], [ROOMY])[0]?.level).toBe('ok');
  });
});

describe('packing', () => {
  const unpacked = figures({
    encoding: 'hashtable',
    isPacked: false,
    fieldCount: { min: 11, median: 11, max: 12 },
    longestValueBytes: 90,
    bytesPerHash: { now: 1_600, other: 800, basis: 'measured on copies' },
    reads: [{ name: 'one', featureCount: 10, now: times(0.6, 0.6), other: times(0.7, 0.6) }],
  });

  test('is advised where it saves memory and costs no time', () => {
    expect(advisePacking([unpacked], [ROOMY])[0]).toMatchObject({
      level: 'advice',
      remedy: expect.stringMatching(/^CONFIG SET hash-max-listpack-value 90 on/) as string,
    });
  });

  test('is not advised where reads get longer, or another entity needs the opposite', () => {
    const slower = { name: 'one', featureCount: 10, now: times(2, 9), other: times(9, 8) };
    expect(advisePacking([{ ...unpacked, reads: [slower] }], [ROOMY])[0]?.level).toBe('ok');
    const wider = { ...unpacked, fieldCount: { min: 150, median: 150, max: 150 } };
    expect(advisePacking([wider, figures({})], [ROOMY])[0]?.level).toBe('ok');
  });
});
