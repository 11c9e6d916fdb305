import { join } from 'node:path';
import type { SideboardProcess } from './sideboard-process.ts';
import { waitUntil } from './wait-until.ts';

/** `nodeArguments` of a server whose memory is to be read. */
export const REPORT_MEMORY: readonly string[] = [
  '--expose-gc',
  '--import',
  join(import.meta.dirname, 'report-memory.ts'),
];

/** What a server holds after collecting its garbage, in bytes. */
export interface ServerMemory {
  readonly rss: number;
  /** Live objects … */
  readonly heapUsed: number;
  /** … and memory outside of the heap that they hold. */
  readonly external: number;
  /** Sockets, timers and all else that keeps the event loop alive. */
  readonly resources: number;
}

/** Asks a server that was started with `REPORT_MEMORY`. */
export async function readMemory(server: SideboardProcess): Promise<ServerMemory> {
  const known = server.log.length;
  const findLine = (): string | undefined =>
    server.log.slice(known).find((line) => line.startsWith('{"memory"'));
  server.signal('SIGUSR2');
  await waitUntil(() => findLine() !== undefined, { what: 'the server to report its memory' });
  return (JSON.parse(findLine() ?? '') as { readonly memory: ServerMemory }).memory;
}
