import type { Basis } from './finding.ts';
import { textOf, type ReadOnlyNode, type Words } from './read-only-node.ts';

/** Time that one command costs Redis. */
export interface CommandTime {
  /** Of the middle round. */
  readonly usPerCall: number;
  /** Three rounds of four took no longer. */
  readonly upperUsPerCall: number;
  readonly basis: Extract<Basis, 'measured' | 'wall clock'>;
}

type RoundTime = Omit<CommandTime, 'upperUsPerCall'>;

/** A read and the connection of the node that has its key. */
export interface TimedRead {
  readonly node: ReadOnlyNode;
  readonly words: Words;
}

const ROUNDS = 9;
const UPPER = 3 / 4;
/** Commands sent at once: what they cost together is how long others wait. */
const COMMANDS_PER_PIPELINE = 8;
/** Sent before those that are timed, of as many as there are: the node had been idle, others had used its caches. */
const WARM_UP = 2;
const WARM_UP_SHARE = 1 / 4;

/**
 * Times reads of several kinds, each of one command: the middle of nine rounds, in small portions. Every round does a part of
 * every kind: what slows the machine down for a while slows all of them down, and what a kind has just read, which lies in the
 * processor's caches, is not read again. The first few of a part are not timed: a process that has just been given the
 * processor is slower, which says nothing of the read. Redis itself counts the microseconds it spends per command (`INFO commandstats`);
 * where others sent the same command meanwhile, the count of `EXEC` serves, in which each of our reads is wrapped and which
 * hardly anyone else sends; and where that was used too, the clock here.
 *
 * @param kinds at least one read of each, all of the same command; each is done once.
 * @returns the times of each kind; `undefined` where the time was up before all were done.
 */
export async function measureReads(
  kinds: readonly (readonly TimedRead[])[],
  isTimeUp: () => boolean,
): Promise<readonly CommandTime[] | undefined> {
  const rounds: RoundTime[][] = kinds.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, reads] of kinds.entries()) {
      const at = (share: number): number => Math.floor((share * reads.length) / ROUNDS);
      const ofRound = reads.slice(at(round), at(round + 1));
      if (isTimeUp()) return undefined;
      if (ofRound.length > 0) rounds[kind]!.push(await timePart(ofRound));
    }
  }
  return rounds.map((times) => {
    times.sort((a, b) => a.usPerCall - b.usPerCall);
    const middle = times[Math.floor(times.length / 2)]!;
    const upper = times[Math.floor((times.length - 1) * UPPER)]!;
    return { ...middle, upperUsPerCall: upper.usPerCall };
  });
}

async function timePart(reads: readonly TimedRead[]): Promise<RoundTime> {
  let usTotal = 0;
  let basis: CommandTime['basis'] = 'measured';
  for (const [node, ofNode] of Map.groupBy(reads, (read) => read.node)) {
    const all = ofNode.map(({ words }) => words);
    const warmUp = Math.min(WARM_UP, Math.floor(all.length * WARM_UP_SHARE));
    if (warmUp > 0) await node.pipeline(all.slice(0, warmUp));
    const time = await timeRound(node, all.slice(warmUp));
    usTotal += time.usPerCall * ofNode.length;
    if (time.basis === 'wall clock') basis = time.basis;
  }
  return { usPerCall: usTotal / reads.length, basis };
}

async function timeRound(node: ReadOnlyNode, commands: readonly Words[]): Promise<RoundTime> {
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
