import { isDeepStrictEqual } from 'node:util';
import { markMissing, refused, type StepDeparture } from './drop-in-comparison.ts';
import type { Column, Outcome, Step, StoreKind } from './drop-in-world.ts';

/** What our servers have to answer where Feast's answer differently: by what is odd about a request of drop_in_random.py. */
interface RandomDeparture {
  /** Of the decision, see test/golden/decisions.ts. */
  readonly number: string;
  readonly about: string;
  /** Of all that is odd. */
  readonly odd: RegExp;
  readonly store?: StoreKind;
}

interface Refusal extends RandomDeparture {
  readonly outcome: StepDeparture['outcome'];
}

const INVALID = refused(400, '', 'INVALID_ARGUMENT');
const NOT_FOUND = refused(404, 'FeastObjectNotFoundException', 'NOT_FOUND');

/** Reads that we refuse, whatever Feast makes of them. */
const REFUSED_READS: readonly Refusal[] = [
  {
    number: '12.4',
    about: 'entity values that cannot be converted, or not without loss',
    odd: /^(?:a key beyond|a list for a key|an empty text for|words for|(?:a fraction|a truth) for an integer|a truth for a text)/,
    outcome: INVALID,
  },
  {
    number: '12.13',
    about: 'feature name collisions',
    odd: /^a feature twice$/,
    outcome: refused(400, 'FeatureNameCollisionError', 'INVALID_ARGUMENT'),
  },
  {
    number: '12.14',
    about: 'bad references, no features, no entities, columns of different lengths',
    odd: /^(?:no colon|no features|an empty reference|no entities|columns of different lengths)$/,
    outcome: INVALID,
  },
  {
    number: '12.16',
    about: 'unknown features',
    odd: /^(?:an unknown feature|a colon too many)$/,
    outcome: NOT_FOUND,
  },
];

/** Writes that fail in Feast's servers and that ours carry out. */
const ACCEPTED_WRITES: readonly RandomDeparture[] = [
  {
    number: '14',
    about: 'text and truths for numbers',
    odd: /^(?:digits|a float as text|a truth) for (?:float|double)$/,
  },
  {
    number: '14',
    about: 'field mapping: the source’s name as well',
    odd: /^by the name of its source$/,
  },
  {
    number: '14',
    about: 'created timestamps that are null, in SQLite',
    odd: /^an empty created time$/,
    store: 'sqlite',
  },
  {
    number: '58',
    about: 'nulls in lists of integers and of times',
    odd: /^(?:a list with a null|lists of nothing) for (?:int32|int64|time)_list$/,
  },
  {
    number: '67',
    about: 'values that fit, and that Python’s libraries fail at',
    odd: /^times in several forms$|^NaN for |^an integer beyond 64 bits for (?:float|double|string|bool)$|^(?:a list|a list with a null) for (?:float|double)_list$|^(?!words|an empty text).* for json$/,
  },
  {
    number: '68',
    about: 'large integers beside nulls',
    odd: /^the largest integer beside a null$/,
  },
];

/** Writes that Feast's servers carry out and ours refuse. */
const REFUSED_WRITES: readonly RandomDeparture[] = [
  {
    number: '14',
    about: 'values that Feast stores as something else',
    odd: /^(?:an? (?:empty )?list\b.*|lists of nothing|an object) for (?:int32|int64|float|double|string|bool|time|bytes|uuid|decimal)$|^(?:huge|infinity|a truth|a fraction) for time$|^(?!an object|NaN).* for struct$|^an object for \w+_(?:list|lists|set)$|^a list of words for int64_lists$/,
  },
  {
    number: '14',
    about: 'text for lists, of which Feast stores the letters',
    odd: /^(?:an empty text|digits|a float as text|words) for \w+(?:_list|_set|_lists)$/,
  },
  { number: '12.4', about: 'keys that lose something', odd: /^a fraction for the key$/ },
];

/** Values that Feast reads back otherwise than they were written: what it has for them, and what was written. */
const CHANGED_VALUES: readonly (RandomDeparture & {
  readonly feast: unknown;
  readonly written: unknown;
})[] = [
  {
    number: '68',
    about: 'large integers beside nulls',
    odd: /^a large integer beside a null$/,
    feast: '9007199254740992',
    written: '9007199254740993',
  },
  {
    number: '68',
    about: 'times beside nulls',
    odd: /^a time beside a null$/,
    feast: '-9223372036854775808',
    written: '1700000000',
  },
  {
    number: '68',
    about: 'null alone in a list of floats',
    odd: /^lists of nothing for (?:float|double)_list$/,
    feast: ['0.0'],
    written: ['NaN'],
  },
  {
    number: '14',
    about: 'NaN for a struct, which Feast stores as something else',
    odd: /^NaN for struct$/,
    feast: { _value: 'nan' },
    written: null,
  },
  {
    number: '14',
    about: 'NaN for JSON, which has none',
    odd: /^NaN for json$/,
    feast: 'NaN',
    written: null,
  },
  {
    number: '68',
    about: 'NaN for a time',
    odd: /^NaN for time$/,
    feast: '-9223372036854775808',
    written: null,
  },
];

/** Reads that fail in Feast's servers, about nobody. */
const NO_ROWS: RandomDeparture = {
  number: '12.17',
  about: 'no rows',
  odd: /^no rows$/,
};

/** Reads that fail in Feast's servers, and that ours answer as the same without that name. */
const BY_ANOTHER_NAME: RandomDeparture = {
  number: '69',
  about: 'sources of on-demand views that their service has by another name',
  odd: /^inputs by another name$/,
};

export const RANDOM_DEPARTURES: readonly RandomDeparture[] = [
  ...REFUSED_READS,
  NO_ROWS,
  BY_ANOTHER_NAME,
  ...ACCEPTED_WRITES,
  ...REFUSED_WRITES,
  ...CHANGED_VALUES,
  { number: '12.5', about: 'entities that Redis does not hold', odd: /^/, store: 'redis' },
  { number: '12.14', about: 'writes that cannot be carried out', odd: /^/ },
  { number: '57', about: 'aliased columns beside their join key', odd: /^/ },
];

/** `HTTP read: back 17 a null` = protocol `HTTP`, what `read`, `back`, number `17`, odd `a null`. */
const STEP = /^(?<protocol>\w+) (?<what>\w+): (?<back>back )?(?<number>\d+)(?: (?<odd>.*))?$/;

interface StepName {
  readonly protocol: string;
  readonly what: string;
  readonly isBack: boolean;
  readonly number: string;
  readonly odd: string;
}

function parse(step: string): StepName {
  const { protocol = '', what = '', back, number = '', odd = '' } = STEP.exec(step)?.groups ?? {};
  return { protocol, what, isBack: back !== undefined, number, odd };
}

/** Two outcomes to be compared: what our servers have to answer to a step, and what they did. */
export interface Compared {
  readonly expected: Outcome;
  readonly actual: Outcome;
}

/**
 * Compares the steps of both sides.
 *
 * @returns by step; those that read what one side took and the other refused, as a departure says, are left out
 */
export function compareRandom(
  kind: StoreKind,
  byFeast: readonly Step[],
  byOurs: readonly Step[],
): ReadonlyMap<string, Compared> {
  const feast = new Map(byFeast);
  const ours = new Map(byOurs);
  const diverged = new Set(
    byFeast
      .filter(
        ([step, outcome]) => !isRead(step) && hasFailed(outcome) !== hasFailed(ours.get(step)!),
      )
      .map(([step]) => parse(step).number),
  );
  const compared = new Map<string, Compared>();
  for (const [name] of byFeast) {
    const { protocol, what, isBack, number, odd } = parse(name);
    if (isBack && diverged.has(number)) continue;
    const actual = ours.get(name)!;
    const step = BY_ANOTHER_NAME.odd.test(odd) ? `${protocol} ${what}: ${number}` : name;
    const outcome = feast.get(step)!;
    if (!isRead(step)) {
      compared.set(name, { expected: expectedWrite(step, outcome, kind), actual });
    } else if (!isBack && NO_ROWS.odd.test(odd)) {
      compared.set(name, { expected: withoutRows(actual), actual });
    } else if (protocol === 'HTTP') {
      compared.set(name, { expected: expectedRead(step, outcome, kind), actual });
    } else {
      const overHttp = step.replace(protocol, 'HTTP');
      const expected = expectedRead(overHttp, feast.get(overHttp)!, kind);
      compared.set(name, compareOther(step, outcome, expected, actual, kind));
    }
  }
  return compared;
}

/** An answer of these columns that has no rows. */
function withoutRows({ columns = [] }: Outcome): Outcome {
  return { more: {}, columns: columns.map(([name]): Column => [name, [], [], []]) };
}

/** What is in the store of a side, but for entities of which something else was written, as a departure says. */
export function comparableStored(
  stored: Readonly<Record<string, unknown>>,
  kind: StoreKind,
  byFeast: readonly Step[],
  byOurs: readonly Step[],
): Readonly<Record<string, unknown>> {
  const ours = new Map(byOurs);
  const others = byFeast
    .filter(
      ([step, outcome]) =>
        !isRead(step) &&
        (hasFailed(outcome) !== hasFailed(ours.get(step)!) ||
          find(CHANGED_VALUES, parse(step).odd, kind) !== undefined),
    )
    .flatMap(([step]) => {
      const { number, odd } = parse(step);
      const marks = marksOf(FIRST_ODD + Number(number));
      return odd === 'a fraction for the key' ? [...marks, NO_TIME_KEY] : marks;
    });
  const isOther = (key: string): boolean => {
    const hex = kind === 'redis' ? Buffer.from(key, 'base64').toString('hex') : key.toLowerCase();
    return others.some((mark) => hex.includes(mark));
  };
  return Object.fromEntries(Object.entries(stored).filter(([key]) => !isOther(key)));
}

/** The entity of step 0 that something odd is written of; see drop_in_random.py. */
const FIRST_ODD = 1_000_000;

/** The key that Feast makes of a fraction where it should be a time: type and length, then "no time" (decision 12.4). */
const NO_TIME_KEY = `${'08000000'.repeat(2)}0000000000000080`;

/** What the key of an entity has in it, in hex. */
function marksOf(entity: number): readonly string[] {
  const integer = Buffer.alloc(4);
  integer.writeInt32LE(entity);
  return [integer.toString('hex'), Buffer.from(`k${entity}`).toString('hex')];
}

function isRead(step: string): boolean {
  return parse(step).what === 'read';
}

/** Outputs of on-demand views have no time either: no value is no sign that nothing is stored. */
const COMPUTED = /^(?:(?:alias_\d+_)?computed\d+__)?out\d+_/;

function hasFailed({ failed }: Outcome): boolean {
  return failed !== undefined;
}

function find<Departure extends RandomDeparture>(
  departures: readonly Departure[],
  odd: string,
  kind: StoreKind,
): Departure | undefined {
  return departures.find((each) => each.odd.test(odd) && (each.store ?? kind) === kind);
}

/** Decision 12.14 where Feast fails and no other decision says more. */
function expectedWrite(step: string, feast: Outcome, kind: StoreKind): Outcome {
  const { protocol, what, odd } = parse(step);
  const invalid = INVALID(step, { title: odd, feast, expected: () => feast });
  if (!hasFailed(feast)) {
    // The SDK has made other values of them before it sends them.
    return protocol === 'SDK' || find(REFUSED_WRITES, odd, kind) === undefined ? feast : invalid;
  }
  if (feast.failed !== 500 && feast.failed !== 'INTERNAL' && feast.class !== 'RetryError')
    return feast;
  if (find(ACCEPTED_WRITES, odd, kind) === undefined) return invalid;
  return protocol === 'HTTP'
    ? { done: 200, body: what === 'push' ? '' : null }
    : { done: 'None', body: '' };
}

/** Over HTTP. */
function expectedRead(step: string, feast: Outcome, kind: StoreKind): Outcome {
  const { odd, isBack } = parse(step);
  if (!isBack) {
    const refusal = find(REFUSED_READS, odd, kind);
    if (refusal !== undefined)
      return refusal.outcome(step, { title: odd, feast, expected: () => feast });
  }
  const changed = isBack ? find(CHANGED_VALUES, odd, kind) : undefined;
  const columns = feast.columns?.map(([name, values, statuses, times]): Column => {
    const written = values.map((value) =>
      changed !== undefined && isDeepStrictEqual(value, changed.feast) ? changed.written : value,
    );
    return kind === 'redis' && !COMPUTED.test(name)
      ? markMissing([name, written, statuses, times])
      : [name, written, statuses, times];
  });
  return columns === undefined ? feast : { ...feast, columns };
}

/** The SDK and gRPC, by what has to come over HTTP. */
function compareOther(
  step: string,
  feast: Outcome,
  http: Outcome,
  actual: Outcome,
  kind: StoreKind,
): Compared {
  const { protocol, odd } = parse(step);
  if (http.columns === undefined) return { expected: refusedAs(step, http), actual };
  if (protocol === 'SDK') {
    // The SDK guesses types from values, and fails at whichever column comes first that tells it nothing.
    if (isUnguessable(feast))
      return { expected: GUESSED, actual: isUnguessable(actual) ? GUESSED : actual };
    const statuses = new Map(http.columns.map(([name, , marked]) => [name, marked]));
    const columns = feast.columns?.map(([name, values, , times]): Column => [
      name,
      values,
      statuses.get(name)!,
      times,
    ]);
    return { expected: { ...feast, columns: columns ?? [] }, actual };
  }
  // Decisions 12.4, 12.18 and 14: values of other types, columns too many and names of entities are nothing odd. 57: which of
  // two columns counts that stand for one join key does not depend on their order, which a message does not have.
  const hasTwo = http.columns.some(([name]) => name.startsWith('other_'));
  if (hasFailed(feast) || hasTwo || / for (?:an integer|a text)$/.test(odd)) {
    return { expected: outline(http, null), actual: outline(actual, '') };
  }
  const columns = feast.columns!.map((column) =>
    kind === 'redis' && !COMPUTED.test(column[0]) ? markMissing(column) : column,
  );
  return { expected: { ...feast, columns }, actual };
}

function refusedAs(step: string, { failed, class: feastClass = '' }: Outcome): Outcome {
  const http = Number(failed);
  const grpc = http === 404 ? 'NOT_FOUND' : 'INVALID_ARGUMENT';
  const context = { title: '', feast: {}, expected: (): Outcome => ({}) };
  return refused(http, feastClass, grpc)(step, context);
}

const GUESSED: Outcome = { failed: 'raised', class: 'of the SDK' };

function isUnguessable({ failed, class: raised }: Outcome): boolean {
  return failed === 'raised' && (raised === 'TypeError' || raised === 'ValueError');
}

/** Which values there are, of when, and their statuses, whatever a protocol's words for them; `nothing` is its null. */
function outline(outcome: Outcome, nothing: unknown): Outcome {
  if (outcome.columns === undefined) return outcome;
  const columns = outcome.columns.map(([name, values, statuses, times]): Column => [
    name,
    values.map((value) => value !== nothing),
    statuses,
    times
      .map((time) => (typeof time === 'string' ? Date.parse(time) / 1000 : Number(time).toFixed(3)))
      .map(Number),
  ]);
  return { ...outcome, columns };
}
