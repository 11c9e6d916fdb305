import { figure, markdownTable, spreadText } from './markdown.ts';
import type { ReadRow } from '../parts/redis-reads.ts';
import { spreadOf } from './spread.ts';

const NOTES = `Reads of the official layout from one Redis, a process for each client, bound to a core; the fields written first are
found by \`HMGET\` after a short walk, those written last after a long one. *bare socket* sends the same bytes and counts those
that come back: what any client adds to. *whole hashes* is \`HGETALL\`; *to the response* is the whole read path from the bytes
of a request to those of the response, which chooses between the two. "At half load": a read is due every two median reads,
whether or not the earlier ones have ended. Heap is what one read allocates of V8's: by how it grows while nothing is
collected, and by the sampling heap profiler. *redis-benchmark* asks one hash of as many fields for as many, a batch in one
pipeline.`;

/** The clients beside each other, one kind of read after the other. */
export function redisTable(rows: readonly ReadRow[]): string {
  const shapes = [...new Set(rows.map(({ shape }) => shape))];
  const lines = shapes.flatMap((shape) => {
    const ofShape = rows.filter((row) => row.shape === shape);
    const clients = [...new Set(ofShape.map(({ client }) => client))];
    return clients.map((client) => {
      const rounds = ofShape.filter((row) => row.client === client);
      const spread = (of: (row: ReadRow) => number) => spreadOf(rounds.map(of));
      return [
        shape,
        client,
        spreadText(spread(({ cpuUs }) => cpuUs)),
        figure(spread(({ redisCpuUs }) => redisCpuUs).median),
        spreadText(spread(({ p50Us }) => p50Us)),
        figure(spread(({ p99Us }) => p99Us).median),
        figure(spread(({ halfLoadP99Us }) => halfLoadP99Us).median),
        figure(rounds[0]!.heapBytes / 1024),
        figure((rounds[0]!.sampledHeapBytes ?? Number.NaN) / 1024),
      ];
    });
  });
  const head = ['rows x features', 'client', 'CPU us/read', 'Redis CPU us', 'p50 us', 'p99 us'];
  head.push('p99 us at half load', 'heap KiB', 'by the profiler');
  return `${NOTES}\n\n${markdownTable(head, lines)}`;
}
