import { WRITE_DEPARTURES, type WriteDeparture } from './write-departures.ts';
import type { WriteVector } from './write-vectors.ts';

/** A recorded configuration, and how ours is set beside it. */
export interface WriteVariant {
  readonly name: string;
  readonly store: 'redis' | 'sqlite';
  /** `sqlite_skip_stale`; Redis goes by `skip_dedup` alone. */
  readonly skipStale: boolean;
}

type Protocol = 'http' | 'grpc';

interface OutcomeCounts {
  same: number;
  departs: number;
}

/** What became of the writes so far. */
export interface WriteTally {
  count(
    variant: WriteVariant,
    protocol: Protocol,
    vector: WriteVector,
    departures: readonly WriteDeparture[],
  ): void;
  countsOf(variant: WriteVariant, protocol: Protocol): OutcomeCounts;
  /** Vectors, without `writes-`, that a departure made a difference to. */
  vectorsOf(point: string): ReadonlySet<string>;
}

export function createWriteTally(): WriteTally {
  const counts = new Map<string, OutcomeCounts>();
  const vectors = new Map<string, Set<string>>();
  const countsOf: WriteTally['countsOf'] = (variant, protocol) => {
    const name = `${variantName(variant)} ${protocol}`;
    const found = counts.get(name) ?? { same: 0, departs: 0 };
    counts.set(name, found);
    return found;
  };
  return {
    countsOf,
    vectorsOf: (point) => vectors.get(point) ?? new Set(),
    count(variant, protocol, { id }, departures) {
      const outcome = countsOf(variant, protocol);
      if (departures.length > 0) outcome.departs++;
      else outcome.same++;
      for (const { point } of departures) {
        const ids = vectors.get(point) ?? new Set();
        vectors.set(point, ids.add(id.slice('writes-'.length)));
      }
    },
  };
}

function variantName({ name, store, skipStale }: WriteVariant): string {
  return store === 'sqlite' ? `${name}, \`sqlite_skip_stale: ${skipStale}\`` : name;
}

/** The text of docs/write-compatibility.md. */
export function writeCompatibilityPage(
  tally: WriteTally,
  variants: readonly WriteVariant[],
): string {
  const rows = variants.map((variant) => {
    const cells = (['http', 'grpc'] as const).map((protocol) => {
      const { same, departs } = tally.countsOf(variant, protocol);
      return `${same} / ${departs}`;
    });
    return `| ${variantName(variant)} | ${cells.join(' | ')} |`;
  });
  return `# Writes: compatibility with Feast

<!-- Written by test/golden/writes.test.ts: UPDATE_DOCS=1 npx vitest run --project system test/golden/writes -->

What was written to the real Feast 0.67.0 (\`POST /push\`, \`POST /write-to-online-store\`, \`Push\` and
\`WriteToOnlineStore\` over gRPC, and the SDK's own calls) is written to a real sideboard server on an empty store, over its own
protocol and, where that can say the same, over the other one. The reply and every cell that changed in the store have to be those
of Feast. Where they are not, one of the departures below says so by its number, and the test knows what has to come instead.

Writes by what became of them: **same** as in Feast / **departure**.

| store | JSON | GrpcFeatureServer |
|---|---|---|
${rows.join('\n')}

The numbers are those of the decisions that the project took where Feast's servers disagree; "14" stands for what was found
out by running Feast. [compatibility.md](compatibility.md) has the same for reads.

| number | about | Feast | sideboard | why | vectors |
|---|---|---|---|---|---|
${WRITE_DEPARTURES.map(
  ({ number, point, feast, ours, why, vectors }) =>
    `| ${number} | ${point} | ${feast} | ${ours} | ${why} | ${vectors.join(', ')} |`,
).join('\n')}
`;
}
