import type { Bar } from './bar.ts';
import { READ_BARS } from './bars-reads.ts';
import { REDIS_BARS } from './bars-redis.ts';
import { SERVER_BARS } from './bars-server.ts';
import { WRITE_BARS } from './bars-writes.ts';
import { markdownTable } from './markdown.ts';
import type { Parts } from './results.ts';

const GROUPS: readonly (readonly [title: string, bars: readonly Bar[]])[] = [
  ['Reads beside the servers of today', READ_BARS],
  ['The transport and the process', SERVER_BARS],
  ['The Redis client', REDIS_BARS],
  ['Writes', WRITE_BARS],
];

/** Every promise with what was measured, from the figures alone. @param cores of the machine they were taken on */
export function barsTables(parts: Partial<Parts>, cores: number): string {
  return GROUPS.map(([title, bars]) => {
    const rows = bars.map(({ bar, part, judge }) => {
      const judgement = judge(parts, cores);
      if (judgement === undefined) return [bar, `not measured: \`npm run bench -- ${part}\``, '-'];
      const { measured, isMet } = judgement;
      return [bar, measured, isMet === undefined ? 'cannot tell' : isMet ? 'yes' : '**no**'];
    });
    return `### ${title}\n\n${markdownTable(['bar', 'measured', 'met'], rows)}`;
  }).join('\n\n');
}
