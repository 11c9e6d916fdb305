#!/usr/bin/env node
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, DuckDBTimestampTZValue } from '@duckdb/node-api';

/** What was generated, and whom to ask for. */
export interface GeneratedData {
  readonly files: readonly { readonly path: string; readonly rowCount: number }[];
  /** An applicant whose credit history is up to date. */
  readonly applicant: string;
  /** One whose last row is older than the view's TTL. */
  readonly formerApplicant: string;
}

/** How much to generate, from which seed, and what the newest rows are dated. */
export interface DataOptions {
  /** Folder of the files; made when missing. */
  readonly folder: string;
  readonly seed?: number;
  /** Milliseconds since the epoch; now when left out. Values do not depend on it. */
  readonly asOfMs?: number;
  readonly applicantCount?: number;
}

const DAY_MS = 86_400_000;
const ZIP_CODES_PER_CITY = 50;
/** Each applicant has one row per month, so that the latest has to be found. */
const MONTHS = 3;
/** One applicant in so many has not been heard of for longer than the TTL of `credit_history`. */
const FORMER_EVERY = 50;
const FORMER_DAYS = 120;
const FIRST_APPLICANT = '19530219_5179';

/** City, state, first zip code. Each city gets the next 50 codes; the codes are made up, the cities are not. */
const CITIES: readonly (readonly [string, string, number])[] = [
  ['BOSTON', 'MA', 2100],
  ['PROVIDENCE', 'RI', 2900],
  ['HARTFORD', 'CT', 6100],
  ['NEWARK', 'NJ', 7100],
  ['NEW YORK', 'NY', 10_000],
  ['BUFFALO', 'NY', 14_200],
  ['PITTSBURGH', 'PA', 15_200],
  ['PHILADELPHIA', 'PA', 19_100],
  ['BALTIMORE', 'MD', 21_200],
  ['RICHMOND', 'VA', 23_200],
  ['RALEIGH', 'NC', 27_600],
  ['CHARLOTTE', 'NC', 28_200],
  ['ATLANTA', 'GA', 30_300],
  ['MIAMI', 'FL', 33_100],
  ['TAMPA', 'FL', 33_600],
  ['NASHVILLE', 'TN', 37_200],
  ['LOUISVILLE', 'KY', 40_200],
  ['COLUMBUS', 'OH', 43_200],
  ['CLEVELAND', 'OH', 44_100],
  ['INDIANAPOLIS', 'IN', 46_200],
  ['DETROIT', 'MI', 48_200],
  ['DES MOINES', 'IA', 50_300],
  ['MILWAUKEE', 'WI', 53_200],
  ['MINNEAPOLIS', 'MN', 55_400],
  ['CHICAGO', 'IL', 60_600],
  ['SAINT LOUIS', 'MO', 63_100],
  ['KANSAS CITY', 'MO', 64_100],
  ['OMAHA', 'NE', 68_100],
  ['NEW ORLEANS', 'LA', 70_100],
  ['DALLAS', 'TX', 75_200],
  ['FORT WORTH', 'TX', 76_100],
  ['HOUSTON', 'TX', 77_000],
  ['DENVER', 'CO', 80_200],
  ['SALT LAKE CITY', 'UT', 84_100],
  ['PHOENIX', 'AZ', 85_000],
  ['LAS VEGAS', 'NV', 89_100],
  ['LOS ANGELES', 'CA', 90_000],
  ['SAN FRANCISCO', 'CA', 94_100],
  ['PORTLAND', 'OR', 97_200],
  ['SEATTLE', 'WA', 98_100],
];

/** Columns of a Parquet file, and how each is filled. */
type Column = readonly [name: string, type: 'BIGINT' | 'VARCHAR' | 'TIMESTAMPTZ'];
type Cell = number | string | null;

const ZIP_CODE_COLUMNS: readonly Column[] = [
  ['zipcode', 'BIGINT'],
  ['city', 'VARCHAR'],
  ['state', 'VARCHAR'],
  ['location_type', 'VARCHAR'],
  ['tax_returns_filed', 'BIGINT'],
  ['population', 'BIGINT'],
  ['total_wages', 'BIGINT'],
  ['event_timestamp', 'TIMESTAMPTZ'],
  ['created_timestamp', 'TIMESTAMPTZ'],
];

const CREDIT_COLUMNS: readonly Column[] = [
  ['dob_ssn', 'VARCHAR'],
  ['credit_card_due', 'BIGINT'],
  ['mortgage_due', 'BIGINT'],
  ['student_loan_due', 'BIGINT'],
  ['vehicle_loan_due', 'BIGINT'],
  ['hard_pulls', 'BIGINT'],
  ['missed_payments_2y', 'BIGINT'],
  ['missed_payments_1y', 'BIGINT'],
  ['missed_payments_6m', 'BIGINT'],
  ['bankruptcies', 'BIGINT'],
  ['event_timestamp', 'TIMESTAMPTZ'],
  ['created_timestamp', 'TIMESTAMPTZ'],
];

/** Writes `zipcode_table.parquet` and `credit_history.parquet`. The README beside this file says what is in them. */
export async function generateData(options: DataOptions): Promise<GeneratedData> {
  const random = createRandom(options.seed ?? 2);
  const asOfMs = options.asOfMs ?? Date.now();
  const applicants = applicantNames(random, options.applicantCount ?? 10_000);
  const formerApplicant = applicants[FORMER_EVERY - 1];
  if (formerApplicant === undefined) throw new RangeError(`at least ${FORMER_EVERY} applicants`);
  await mkdir(options.folder, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const zipCodes = join(options.folder, 'zipcode_table.parquet');
    const credit = join(options.folder, 'credit_history.parquet');
    const files = [
      await writeParquet(connection, zipCodes, ZIP_CODE_COLUMNS, zipCodeRows(random, asOfMs)),
      await writeParquet(
        connection,
        credit,
        CREDIT_COLUMNS,
        creditRows(random, asOfMs, applicants),
      ),
    ];
    return { files, applicant: FIRST_APPLICANT, formerApplicant };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function* zipCodeRows(random: Random, asOfMs: number): Generator<readonly Cell[]> {
  for (const [city, state, first] of CITIES) {
    for (let zipcode = first; zipcode < first + ZIP_CODES_PER_CITY; zipcode++) {
      const population = between(random, 300, 60_000);
      const taxReturns = Math.round(population * (0.45 + random() * 0.15));
      const wages = taxReturns * between(random, 25_000, 110_000);
      const eventMs = asOfMs - between(random, 1, 365) * DAY_MS;
      const type = random() < 0.9 ? 'PRIMARY' : 'SECONDARY';
      yield [zipcode, city, state, type, taxReturns, population, wages, eventMs, eventMs];
    }
  }
}

function* creditRows(
  random: Random,
  asOfMs: number,
  applicants: readonly string[],
): Generator<readonly Cell[]> {
  for (const [index, applicant] of applicants.entries()) {
    const agedDays = (index + 1) % FORMER_EVERY === 0 ? FORMER_DAYS : 0;
    const missed2y = between(random, 0, 7);
    const missed1y = between(random, 0, Math.min(3, missed2y));
    const hasNoVehicle = random() < 0.05;
    for (let month = MONTHS - 1; month >= 0; month--) {
      const eventMs =
        asOfMs - (agedDays + month * 30 + 1) * DAY_MS - between(random, 0, DAY_MS - 1);
      yield [
        applicant,
        between(random, 0, 9_999),
        between(random, 10_000, 1_999_999),
        between(random, 0, 49_999),
        hasNoVehicle ? null : between(random, 0, 29_999),
        between(random, 0, 10),
        missed2y,
        missed1y,
        between(random, 0, Math.min(1, missed1y)),
        random() < 0.15 ? between(random, 1, 2) : 0,
        eventMs,
        eventMs + 3_600_000,
      ];
    }
  }
}

function applicantNames(random: Random, count: number): readonly string[] {
  const names = new Set([FIRST_APPLICANT]);
  while (names.size < count) {
    const born = new Date(Date.UTC(between(random, 1940, 2004), 0, between(random, 1, 365)));
    const day = born.toISOString().slice(0, 10).replaceAll('-', '');
    names.add(`${day}_${String(between(random, 0, 9999)).padStart(4, '0')}`);
  }
  return [...names];
}

async function writeParquet(
  connection: DuckDBConnection,
  path: string,
  columns: readonly Column[],
  rows: Iterable<readonly Cell[]>,
): Promise<{ path: string; rowCount: number }> {
  const definition = columns.map(([name, type]) => `${name} ${type}`).join(', ');
  await connection.run(`CREATE OR REPLACE TABLE generated (${definition})`);
  const appender = await connection.createAppender('generated');
  let rowCount = 0;
  for (const row of rows) {
    for (const [index, [, type]] of columns.entries()) {
      const cell = row[index] ?? null;
      if (cell === null) appender.appendNull();
      else if (type === 'VARCHAR') appender.appendVarchar(String(cell));
      else if (type === 'BIGINT') appender.appendBigInt(BigInt(cell));
      else appender.appendTimestampTZ(new DuckDBTimestampTZValue(BigInt(cell) * 1000n));
    }
    appender.endRow();
    rowCount++;
  }
  appender.closeSync();
  const unfinished = `${path}.tmp`;
  await connection.run(`COPY generated TO '${unfinished.replaceAll("'", "''")}' (FORMAT parquet)`);
  await rename(unfinished, path);
  return { path, rowCount };
}

type Random = () => number;

/** A whole number from `low` to `high`, both included. */
function between(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** Numbers from 0 up to 1 that depend on the seed alone: a 32-bit Weyl sequence through a multiplying mixer. */
function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0_aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

if (import.meta.main) {
  const { files } = await generateData({ folder: join(import.meta.dirname, 'data') });
  for (const { path, rowCount } of files) console.log(`${path}: ${rowCount} rows`);
}
