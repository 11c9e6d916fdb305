import Table from 'cli-table3';
import type { Examination } from '../doctor/examine-redis.ts';
import { kibibytes, microseconds } from '../doctor/figures-text.ts';
import type { Finding } from '../doctor/finding.ts';
import type { ReadTimes } from '../doctor/packing-figures.ts';

const MARKS = {
  error: 'ERROR',
  warning: 'warning',
  advice: 'advice',
  unknown: 'unknown',
  ok: 'ok',
} as const;
/** Room for levels, checks, places and lines of the table. */
const OTHER_COLUMNS_CHARS = 60;
const MIN_MESSAGE_CHARS = 40;

/** The examination for people: findings gravest first, then what encodings cost. */
export function doctorReport(examination: Examination, widthChars: number): string {
  const parts = [summary(examination), findingsTable(examination.findings, widthChars)];
  if (examination.packing.some(({ reads }) => reads.length > 0)) {
    parts.push(
      'Redis time per entity and memory per hash, by encoding:',
      packingTable(examination),
    );
  }
  return `${parts.join('\n')}\n`;
}

function summary({ store, nodes, sampled }: Examination): string {
  const shards = new Set(nodes.map(({ shard }) => shard)).size;
  const lines = [
    `${store}: ${shards} ${shards === 1 ? 'shard' : 'shards'}, ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}; ` +
      `looked at ${sampled.keys} keys, of them ${sampled.entities} entities of this project, ${sampled.hashesReadWhole} read whole`,
  ];
  if (sampled.isCutShort) {
    lines.push('The time was up before all was looked at: give it more with --seconds.');
  }
  if (sampled.measuredIn === undefined && sampled.entities > 0) {
    lines.push(
      'No redis-server was used on this machine: what other encodings cost is estimated, not measured.',
    );
  }
  return lines.join('\n');
}

function findingsTable(findings: readonly Finding[], widthChars: number): string {
  const messageChars = Math.max(MIN_MESSAGE_CHARS, widthChars - OTHER_COLUMNS_CHARS);
  const table = new Table({
    head: ['', 'check', 'where', 'finding'],
    style: { head: [], border: [] },
    colWidths: [null, null, null, messageChars],
    wordWrap: true,
  });
  // What holds of several nodes is said once.
  const alike = Map.groupBy(
    findings,
    ({ level, check, message }) => `${level} ${check} ${message}`,
  );
  for (const group of alike.values()) {
    const { level, check, message, remedy } = group[0]!;
    const where = group.flatMap((finding) => finding.where ?? []).join('\n');
    const text = remedy === undefined ? message : `${message}\n-> ${remedy}`;
    table.push([MARKS[level], check, where, text]);
  }
  return table.toString();
}

function packingTable({ packing }: Examination): string {
  const table = new Table({
    head: ['entity', 'read', 'encoding', 'HMGET', 'HGETALL', 'per hash', 'how known'],
    style: { head: [], border: [] },
  });
  for (const { entity, isPacked, bytesPerHash, reads } of packing) {
    for (const { name, featureCount, now, other } of reads) {
      const row = (encoding: string, times: ReadTimes, bytes: number): void => {
        const [hmget, hgetall] = [microseconds(times.hmgetUs), microseconds(times.hgetallUs)];
        const read = `${name} (${featureCount})`;
        table.push([entity, read, encoding, hmget, hgetall, kibibytes(bytes), times.basis]);
      };
      row(`${isPacked ? 'packed' : 'unpacked'} (now)`, now, bytesPerHash.now);
      if (other !== undefined) row(isPacked ? 'unpacked' : 'packed', other, bytesPerHash.other);
    }
  }
  return table.toString();
}
