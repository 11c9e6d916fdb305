import type { Expectation } from './departures.ts';
import { OWN_DECISIONS } from './decisions.ts';
import { DEPARTURES } from './departures.ts';
import { GOLDEN_PROTOCOLS, type Departure, type GoldenCase } from './golden-case.ts';
import { NOT_SERVED } from './not-served.ts';
import { ON_DEMAND_DEPARTURES } from './on-demand-departures.ts';

/** What became of the requests so far. */
export interface Tally {
  count(golden: GoldenCase, expectation: Expectation): void;
  /** Requests that a departure, or something that is not served, made a difference to. */
  requestsOf(point: string): number;
  /** In order of first count. */
  readonly rows: ReadonlyMap<string, ScenarioCounts>;
  /** Ids of some vectors, by point. */
  readonly examples: ReadonlyMap<string, readonly string[]>;
}

/** Of one scenario on one store, by protocol. */
type ScenarioCounts = Map<string, OutcomeCounts>;

interface OutcomeCounts {
  same: number;
  departs: number;
  notServed: number;
}

const MAX_EXAMPLES = 3;

export function createTally(): Tally {
  const rows = new Map<string, ScenarioCounts>();
  const requests = new Map<string, number>();
  const examples = new Map<string, string[]>();
  return {
    rows,
    examples,
    requestsOf: (point) => requests.get(point) ?? 0,
    count({ variant, protocol, vector }, { departures, notServed }) {
      const name = `${variant.scenario} | ${variant.variant}`;
      const row: ScenarioCounts = rows.get(name) ?? new Map<string, OutcomeCounts>();
      rows.set(name, row);
      const counts = row.get(protocol) ?? { same: 0, departs: 0, notServed: 0 };
      row.set(protocol, counts);
      if (notServed !== undefined) counts.notServed++;
      else if (departures.length > 0) counts.departs++;
      else counts.same++;
      const points = [...departures.map(({ point }) => point), notServed?.what ?? []].flat();
      for (const point of points) {
        requests.set(point, (requests.get(point) ?? 0) + 1);
        const ids = examples.get(point) ?? [];
        examples.set(point, ids);
        if (ids.length < MAX_EXAMPLES && !ids.includes(vector.id)) ids.push(vector.id);
      }
    },
  };
}

/**
 * The text of docs/compatibility.md.
 *
 * @param asFeast the requests once more, with every setting that does as Feast does
 * @param settings those
 */
export function compatibilityPage(
  tally: Tally,
  asFeast: Tally,
  settings: Readonly<Record<string, unknown>>,
): string {
  const switches = Object.entries(settings).map(([name, value]) => `\`${name}: ${String(value)}\``);
  return `# Compatibility with Feast

<!-- Written by test/golden/golden.test.ts: UPDATE_DOCS=1 npx vitest run --project system test/golden -->

What the real Feast ${FEAST_VERSION} answered to recorded requests is asked again of a real sideboard server on the same stored rows,
over every protocol, and has to come back equal: values, statuses, event timestamps, metadata, or the code of the
error. Where it does not, one of the departures below says so by its number, and the test computes from it the exact
answer that has to come instead. There is no third kind. Every entity key, hash field, value and row that Feast recorded is
read from the server in the same way.

Both gRPC services are compared with Feast's Python server, the only one that was recorded.

## Agreement

Requests by what became of them: **same** as Feast's answer / answered by a **departure** / **not served** (yet).

${agreementTable(tally)}

Most departures on Redis are missing entities (12.5). Most of \`GrpcFeatureServer\` are those where Feast's own gRPC server
fails or misses and ours answers as Feast's SDK and HTTP server do. \`feast.serving.ServingService\` also marks values by TTL
(12.8).

Stores with \`entity_key_serialization_version\` 0 or 1 are refused when the server starts (departure 12.1: their int64
keys are cut to four bytes).

With ${switches.join(', ')}:

${agreementTable(asFeast)}

## Departures

The numbers are those of the decisions that the project took where Feast's servers disagree; "14" stands for what was found
out by running Feast. From 56 on they are [decisions of our own](#decisions-of-our-own).

| number | about | Feast | sideboard | why | off with | requests | such as |
|---|---|---|---|---|---|---|---|
${DEPARTURES.toSorted(byNumber)
  .map((departure) => departureRow(departure, tally))
  .join('\n')}

## Computed on demand

With Feast's transformation server, \`test/interop/on-demand-golden.test.ts\` asks the requests for on-demand views of mode
pandas again. The departures above hold for them, and these:

| number | about | Feast | sideboard | why |
|---|---|---|---|---|
${ON_DEMAND_DEPARTURES.map(({ number, point, feast, ours, why }) => `| ${number} | ${point} | ${feast} | ${ours} | ${why} |`).join('\n')}

## Decisions of our own

Beside the recorded requests, \`test/interop/drop-in.test.ts\` and \`drop-in-permissions.test.ts\` play one script of the real SDK, of
HTTP and of gRPC calls against Feast's servers and against ours, and compare every answer, exception class, stored byte and
recorded interval; \`drop-in-random.test.ts\` does so with repositories, writes and reads that chance makes. What differs there has
one of the numbers above, or one of these; a test fails for any other.

| number | about | Feast | sideboard | why |
|---|---|---|---|---|
${OWN_DECISIONS.map(({ number, about, feast, ours, why }) => `| ${number} | ${about} | ${feast} | ${ours} | ${why} |`).join('\n')}

## Not served

| what | answer | requests | such as |
|---|---|---|---|
${NOT_SERVED.map(({ what, answer }) => `| ${what} | ${answer} | ${tally.requestsOf(what)} | ${examplesOf(what, tally)} |`).join('\n')}
`;
}

const FEAST_VERSION = '0.67.0';

function agreementTable(tally: Tally): string {
  return `| scenario | store | Feast's JSON | GrpcFeatureServer | feast.serving.ServingService | over Connect, gRPC-Web |
|---|---|---|---|---|---|
${[...tally.rows].map(([name, row]) => `| ${name} | ${protocolCells(row)} |`).join('\n')}
| **all** | | ${protocolCells(totals(tally))} |`;
}

function protocolCells(row: ReadonlyMap<string, OutcomeCounts>): string {
  return GOLDEN_PROTOCOLS.map((protocol) => {
    const counts = row.get(protocol);
    return counts === undefined ? '–' : `${counts.same} / ${counts.departs} / ${counts.notServed}`;
  }).join(' | ');
}

function totals({ rows }: Tally): ScenarioCounts {
  const sum: ScenarioCounts = new Map<string, OutcomeCounts>();
  for (const row of rows.values()) {
    for (const [protocol, { same, departs, notServed }] of row) {
      const counts = sum.get(protocol) ?? { same: 0, departs: 0, notServed: 0 };
      counts.same += same;
      counts.departs += departs;
      counts.notServed += notServed;
      sum.set(protocol, counts);
    }
  }
  return sum;
}

function byNumber(a: Departure, b: Departure): number {
  return sortKey(a.number) - sortKey(b.number);
}

/** Section 12 by its decisions, our own after them, section 14 last. */
function sortKey(number: string): number {
  if (number.startsWith('14')) return 1000;
  return Number(number.replace('12.', ''));
}

function departureRow(departure: Departure, tally: Tally): string {
  const { number, point, feast, ours, why, offWith } = departure;
  const setting = offWith === undefined ? '' : `\`${offWith}\``;
  const cells = [
    number,
    point,
    feast,
    ours,
    why,
    setting,
    tally.requestsOf(point),
    examplesOf(point, tally),
  ];
  return `| ${cells.join(' | ')} |`;
}

function examplesOf(point: string, { examples }: Tally): string {
  return (examples.get(point) ?? []).join(', ');
}
