import type { Basis } from './finding.ts';
import { textOf, type ReadOnlyNode, type Words } from './read-only-node.ts';

/** Time that one command costs Redis. */
export interface CommandTime {
  readonly usPerCall: number;
  readonly basis: Extract<Basis, 'measured' | 'wall clock'>;
}

/** A read and the connection of the node that has its key. */
export interface TimedRead {
  readonly node: ReadOnlyNode;
  readonly words: Words;
}

const ROUNDS = 5;
/** Commands sent at once: what they cost together is how long others wait. */
const COMMANDS_PER_PIPELINE = 8;

/**
 * Times reads of one kind of command, the middle of five rounds, in small portions. Redis itself counts the microseconds
 * it spends per command (`INFO commandstats`); where others sent the same command meanwhile, the count of `EXEC` serves, in
 * which each of our reads is wrapped and which hardly anyone else sends; and where that was used too, the clock here.
 *
 * @param reads at least one, all of the same command.
 */
export async function measureReads(
  reads: readonly TimedRead[],
  isTimeUp: () => boolean,
): Promise<CommandTime | undefined> {
  const byNode = new Map<ReadOnlyNode, Words[]>();
  for (const { node, words } of reads) {
    const ofNode = byNode.get(node);
    if (ofNode === undefined) byNode.set(node, [words]);
    else ofNode.push(words);
  }
  const rounds: CommandTime[] = [];
  for (let round = 0; round < ROUNDS && !isTimeUp(); round++) {
    let usTotal = 0;
    let basis: CommandTime['basis'] = 'measured';
    for (const [node, commands] of byNode) {
      const time = await timeRound(node, commands);
      usTotal += time.usPerCall * commands.length;
      if (time.basis === 'wall clock') basis = time.basis;
    }
    rounds.push({ usPerCall: usTotal / reads.length, basis });
  }
  rounds.sort((a, b) => a.usPerCall - b.usPerCall);
  return rounds[Math.floor(rounds.length / 2)];
}

async function timeRound(node: ReadOnlyNode, commands: readonly Words[]): Promise<CommandTime> {
  const name = commands[0]![0].toLowerCase();
  const before = await readStatistics(node, name);
  let wallMs = 0;
  for (let at = 0; at < commands.length; at += COMMANDS_PER_PIPELINE) {
    const portion = commands.slice(at, at + COMMANDS_PER_PIPELINE);
    const startedAtMs = performance.now();
    const replies = await node.pipeline(
      portion.flatMap((words): Words[] => [['MULTI'], words, ['EXEC']]),
    );
    wallMs += performance.now() - startedAtMs;
    const failed = replies.find((reply) => reply instanceof Error);
    if (failed !== undefined) throw failed;
  }
  const after = await readStatistics(node, name);
  for (const counted of ['command', 'exec'] as const) {
    const calls = after[counted].calls - before[counted].calls;
    if (calls === commands.length) {
      return { usPerCall: (after[counted].us - before[counted].us) / calls, basis: 'measured' };
    }
  }
  return { usPerCall: (wallMs * 1000) / commands.length, basis: 'wall clock' };
}

interface Statistic {
  readonly calls: number;
  readonly us: number;
}

/** Calls of a command and of EXEC since the server started, and time spent in them; `NaN` where it does not tell. */
async function readStatistics(
  node: ReadOnlyNode,
  name: string,
): Promise<{ readonly command: Statistic; readonly exec: Statistic }> {
  const text = textOf(await node.call('INFO', 'commandstats'));
  const of = (command: string): Statistic => {
    const match = new RegExp(`^cmdstat_${command}:calls=(\\d+),usec=(\\d+)`, 'm').exec(text);
    // A command never called has no line.
    const none = text.includes('cmdstat_info') ? 0 : Number.NaN;
    return { calls: Number(match?.[1] ?? none), us: Number(match?.[2] ?? none) };
  };
  return { command: of(name), exec: of('exec') };
}
