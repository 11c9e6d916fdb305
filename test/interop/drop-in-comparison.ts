import type { Column, Outcome, Step } from './drop-in-world.ts';

/** `expected` gives what our servers have to answer to a step of the script, by Feast's answer and all departures. */
export interface StepContext {
  /** Of the step: what comes after the first colon. */
  readonly title: string;
  readonly feast: Outcome;
  expected(step: string): Outcome;
}

/** A place where our servers answer otherwise on purpose. */
export interface StepDeparture {
  /** Of the decision, see test/golden/decisions.ts. */
  readonly number: string;
  readonly about: string;
  readonly steps: readonly string[];
  /** It is about every step of a kind, also where it changes nothing. */
  readonly isGeneral?: boolean;
  readonly outcome: (step: string, context: StepContext) => Outcome;
}

/** By the name of a step: what our servers have to answer. */
export function expectedOf(
  departures: readonly StepDeparture[],
  steps: readonly Step[],
): (step: string) => Outcome {
  const feast = new Map(steps);
  const expected = (step: string): Outcome => {
    let outcome = feast.get(step)!;
    const title = step.slice(step.indexOf(': ') + 2);
    for (const departure of departures) {
      if (!departure.steps.includes(step)) continue;
      outcome = departure.outcome(step, { title, feast: outcome, expected });
    }
    return comparable(outcome);
  };
  return expected;
}

/** Steps at which a departure changes nothing, or which are not there, by departure: a list for each that has some. */
export function idleSteps(
  departures: readonly StepDeparture[],
  steps: readonly Step[],
): readonly (readonly [departure: string, idle: readonly string[]])[] {
  const feast = new Map(steps);
  const expected = expectedOf(departures, steps);
  return departures.flatMap(({ number, about, steps: concerned, isGeneral = false }) => {
    const idle = concerned.filter((step) => {
      const answered = feast.get(step);
      return (
        answered === undefined ||
        JSON.stringify(expected(step)) === JSON.stringify(comparable(answered))
      );
    });
    const isNeeded = isGeneral ? idle.length < concerned.length : idle.length === 0;
    return isNeeded ? [] : [[`${number}, ${about}`, idle] as const];
  });
}

/** Columns by name, since Feast's are in the order of a Python set; of messages those alone that have a form. */
export function comparable({ message, columns, ...outcome }: Outcome): Outcome {
  if (columns !== undefined) {
    return { ...outcome, columns: columns.toSorted(([a], [b]) => (a < b ? -1 : 1)) };
  }
  return Array.isArray(message) ? { ...outcome, message } : outcome;
}

/** Steps at which something is refused without a word about it. */
export function unexplained(steps: readonly Step[]): readonly Step[] {
  return steps.filter(([, { failed, message }]) => failed !== undefined && (message ?? '') === '');
}

/**
 * A refusal: the HTTP status with Feast's class for it, which the SDK raises; without a class, what the SDK makes of a
 * status.
 */
export function refused(http: number, feastClass: string, grpc: string): StepDeparture['outcome'] {
  return (step) => {
    if (/\bgRPC\b/.test(step)) return { failed: grpc, class: '' };
    if (/\bSDK\b/.test(step)) return { failed: 'raised', class: feastClass || 'RuntimeError' };
    return { failed: http, class: feastClass };
  };
}

const NO_TIMES = new Set<unknown>(['1970-01-01T00:00:00Z', 0]);

/** A column of Feast's on Redis where what is not there is NOT_FOUND: no value, and none of these times. */
export function markMissing(
  [name, values, statuses, times]: Column,
  datedBy: readonly unknown[] = times,
): Column {
  const marked = statuses.map((status, row) =>
    (values[row] === null || values[row] === '') && NO_TIMES.has(datedBy[row])
      ? 'NOT_FOUND'
      : status,
  );
  return [name, values, marked, times];
}
