import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';

/** The parts of a `.cpuprofile` (Chrome DevTools protocol, Profiler.Profile) that say where time went. */
const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.int(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.int() }),
    }),
  ),
  samples: z.array(z.int()),
  timeDeltas: z.array(z.number()),
});

/** Share of the busy time that was spent in one function itself, not in what it called. */
export interface SelfTime {
  readonly name: string;
  /** File and line, a package, or what V8 calls the activity. */
  readonly place: string;
  /** 0 to 1. */
  readonly share: number;
}

/** A profile by function and by part of the program. */
export interface ProfileSummary {
  readonly busySeconds: number;
  readonly functions: readonly SelfTime[];
  /** Share per folder of `src/`, package, Node, garbage collector, …; falling. */
  readonly parts: readonly { readonly part: string; readonly share: number }[];
}

const ROOT = join(import.meta.dirname, '..', '..');

/** Summarizes a profile that `node --cpu-prof` wrote; time when nothing was to do does not count. */
export function summarizeProfile(path: string): ProfileSummary {
  const profile = profileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byFunction = new Map<string, SelfTime>();
  const byPart = new Map<string, number>();
  let busyUs = 0;
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    const us = profile.timeDeltas[index] ?? 0;
    if (frame === undefined || frame.functionName === '(idle)') continue;
    busyUs += us;
    const part = partOf(frame);
    byPart.set(part, (byPart.get(part) ?? 0) + us);
    const place = frame.url === '' ? part : `${shortPath(frame.url)}:${frame.lineNumber + 1}`;
    const key = `${frame.functionName} ${place}`;
    const share = (byFunction.get(key)?.share ?? 0) + us;
    byFunction.set(key, { name: frame.functionName || '(anonymous)', place, share });
  }
  return {
    busySeconds: busyUs / 1e6,
    functions: [...byFunction.values()]
      .map((entry) => ({ ...entry, share: entry.share / busyUs }))
      .sort((a, b) => b.share - a.share)
      .slice(0, 20),
    parts: [...byPart]
      .map(([part, us]) => ({ part, share: us / busyUs }))
      .sort((a, b) => b.share - a.share),
  };
}

function shortPath(url: string): string {
  if (!url.startsWith('file://')) return url;
  const path = relative(ROOT, decodeURIComponent(new URL(url).pathname));
  return path.replace(/^.*node_modules\//, '');
}

function partOf({ functionName, url }: { functionName: string; url: string }): string {
  if (url.startsWith('node:')) return 'Node (JavaScript)';
  if (url.includes('/node_modules/')) {
    const path = url.slice(url.lastIndexOf('/node_modules/') + '/node_modules/'.length);
    return path
      .split('/')
      .slice(0, path.startsWith('@') ? 2 : 1)
      .join('/');
  }
  if (url.includes('/src/')) return `src/${shortPath(url).split('/')[1] ?? ''}`;
  if (functionName === '(garbage collector)') return 'garbage collector';
  return 'Node and V8 (native)';
}
