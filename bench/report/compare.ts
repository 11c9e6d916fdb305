import { figuresOf } from './figures.ts';
import { figure, markdownTable } from './markdown.ts';
import type { RunResults } from './results.ts';
import { spreadOf } from './spread.ts';

/** One figure in two runs. */
export interface Change {
  readonly name: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  /** Of the median: 0.1 = a tenth more. */
  readonly change: number;
  /** A change within this is noise: how far the rounds of either run lie apart, and never under `LEAST_NOISE`. */
  readonly noise: number;
  readonly verdict: 'better' | 'worse' | 'noise';
}

/** Two runs of the same thing lie so far apart on a machine of one's own, whatever the rounds say. */
export const LEAST_NOISE = 0.1;
/** One round says nothing of its spread; this is what CPU per request is good to on shared machines. */
export const NOISE_OF_ONE_ROUND = 0.3;

/** Holds the figures that two runs have in common against each other, by their medians. */
export function compareRuns(before: RunResults, after: RunResults): Change[] {
  const earlier = new Map(figuresOf(before).map((each) => [`${each.name} ${each.unit}`, each]));
  return figuresOf(after).flatMap((now) => {
    const then = earlier.get(`${now.name} ${now.unit}`);
    if (then === undefined) return [];
    const noise = Math.max(noiseOf(then.rounds), noiseOf(now.rounds));
    const [old, fresh] = [spreadOf(then.rounds).median, spreadOf(now.rounds).median];
    const change = fresh / old - 1;
    const isWorse = change > 0 === now.isLessBetter;
    const verdict = !(Math.abs(change) > noise) ? 'noise' : isWorse ? 'worse' : 'better';
    return [{ name: now.name, unit: now.unit, before: old, after: fresh, change, noise, verdict }];
  });
}

function noiseOf(rounds: readonly number[]): number {
  const { min, median, max } = spreadOf(rounds);
  if (min === max) return NOISE_OF_ONE_ROUND;
  return Math.max(LEAST_NOISE, (max - min) / median);
}

/** What changed beyond the noise, the gravest first, and how much did not. */
export function compareText(changes: readonly Change[]): string {
  if (changes.length === 0) return 'The two runs have no figure in common.';
  const beyond = changes.filter(({ verdict }) => verdict !== 'noise');
  beyond.sort((a, b) => Math.abs(b.change) / b.noise - Math.abs(a.change) / a.noise);
  const rows = beyond.map(({ name, unit, before, after, change, noise, verdict }) => [
    name,
    unit,
    figure(before),
    figure(after),
    `${change > 0 ? '+' : ''}${(100 * change).toFixed(0)} %`,
    `± ${(100 * noise).toFixed(0)} %`,
    verdict,
  ]);
  const rest = `${changes.length - beyond.length} of ${changes.length} figures changed by no more than their noise: the spread of the rounds of either run, at least ${100 * LEAST_NOISE} %.`;
  if (rows.length === 0) return rest;
  const head = ['figure', 'unit', 'before', 'now', 'change', 'noise', ''];
  return `${markdownTable(head, rows)}\n\n${rest}`;
}
