import type { GoldenAnswer } from '../support/golden-answer.ts';
import { sdkAnswer } from '../support/golden-vectors.ts';
import { INVALID, refusal, type Departure, type GoldenCase } from './golden-case.ts';
import { allKeySources, lossyValue, missingJoinKeys } from './golden-entities.ts';
import { convertLossless, isKeyType } from './golden-question.ts';
import { storedAnswer } from './stored-answer.ts';

/** Where Feast and the project understand entity columns differently. */
export const ENTITY_DEPARTURES: readonly Departure[] = [
  {
    number: '12.17',
    point: 'some join keys of a view missing',
    feast: 'builds a key of those that were given, which nobody ever wrote: every row misses',
    ours: 'HTTP 400, gRPC INVALID_ARGUMENT, naming the missing ones',
    why: 'the caller forgot a column and should hear it',
    apply: (answer, golden) => {
      const missing = [...new Set(missingJoinKeys(golden))];
      if (answer.kind !== 'features' || missing.length === 0) return undefined;
      const says = new RegExp(`Missing join key values for ${missing.join(', ')}:`);
      return refusal(golden.protocol, { ...INVALID, says });
    },
  },
  {
    number: '12.17',
    point: 'no rows',
    feast: 'HTTP 500, gRPC UNKNOWN: takes an empty column for a missing one',
    ours: 'an answer without rows',
    why: 'no join key is missing; a caller with nobody to ask about gets nothing',
    apply: (answer, golden) => {
      const columns = [...(golden.sent?.values() ?? [])];
      const isEmpty = columns.length > 0 && columns.every((values) => values.length === 0);
      return isEmpty && /No values provided for keys/.test(refusalText(answer))
        ? storedAnswer(golden)
        : undefined;
    },
  },
  {
    number: '12.14',
    point: 'join keys missing altogether',
    feast: 'HTTP 500, gRPC UNKNOWN, naming every entity of the registry',
    ours: 'HTTP 400, gRPC INVALID_ARGUMENT, naming those of the requested views',
    why: "a caller's mistake is a 4xx",
    apply: (answer, golden) => {
      const isMissing = /Missing join key values|pop from an empty set/.test(refusalText(answer));
      const missing = [...new Set(missingJoinKeys(golden))].join(', ');
      // Where none is missing, one column is wanted all the same.
      const says = new RegExp(
        missing === '' ? 'it has no entity column' : `Missing join key values for ${missing}:`,
      );
      return isMissing ? refusal(golden.protocol, { ...INVALID, says }) : undefined;
    },
  },
  {
    number: '12.3',
    point: 'join keys of types that no entity key holds, under their entity name',
    feast: 'takes the value for text, and misses',
    ours: 'HTTP 400, gRPC INVALID_ARGUMENT, as under the name of the join key',
    why: 'the declared type counts, whatever the column is called',
    apply: (answer, golden) =>
      answer.kind === 'features' &&
      allKeySources(golden).some(({ valueType }) => !isKeyType(valueType))
        ? refusal(golden.protocol, { ...INVALID, says: /entity keys hold STRING, BYTES, INT32/ })
        : undefined,
  },
  {
    number: '12.4',
    point: 'entity values that cannot be converted',
    feast: 'HTTP 500; over gRPC UNKNOWN, or a silent miss',
    ours: 'HTTP 400, gRPC INVALID_ARGUMENT, naming column and row',
    why: "a caller's mistake is a 4xx",
    apply: (answer, golden) => {
      const recorded = [answer, sdkAnswer(golden.vector)];
      return recorded.some((each) => each !== undefined && UNCONVERTIBLE.test(refusalText(each)))
        ? refuseLossy(answer, golden)
        : undefined;
    },
  },
  {
    number: '12.4',
    point: 'entity values that lose something on the way to the declared type',
    feast:
      'cuts 1001.7 to 1001, takes true for 1 or "True", reads " 1001 ", "1_001" and digits of other scripts; over gRPC misses',
    ours: 'HTTP 400, gRPC INVALID_ARGUMENT',
    offWith: 'lossy_entity_coercion: true',
    why: 'features of an entity that nobody asked for are worse than an error',
    apply: refuseLossy,
  },
  {
    number: '12.4',
    point: 'entity values of another type than declared',
    feast:
      'over gRPC uses them as they were sent: a silent miss, or UNKNOWN; over JSON converts them but for whole floats as timestamps, which miss',
    ours: 'converted on every protocol where nothing is lost',
    why: 'silent misses help nobody, and one question should have one answer',
    apply: (answer, golden) =>
      needsConversion(golden) && !isFoundEarlier(answer, golden) && !hasNull(golden)
        ? storedAnswer(golden)
        : undefined,
  },
  {
    number: '12.4',
    point: 'entity values under the name of an entity',
    feast: 'not converted to the declared type: everything but INT64 and STRING misses',
    ours: 'converted as under the name of the join key',
    why: 'the declared type counts, whatever the column is called',
    apply: (answer, golden) =>
      answer.kind === 'features' && isRenamedToOtherType(golden) ? storedAnswer(golden) : undefined,
  },
  {
    number: '12.19',
    point: 'null entity values',
    feast: 'HTTP 500, gRPC UNKNOWN',
    ours: 'NOT_FOUND for the features of that row, the other rows as ever',
    why: 'one caller without an identifier must not cost the others of a batch their answer',
    apply: (answer, golden) =>
      answer.kind === 'refused' && hasNull(golden) && !isFoundEarlier(answer, golden)
        ? storedAnswer(golden)
        : undefined,
  },
];

/** Whether a column under the name of an entity is of another type than those that JSON's values have anyway. */
function isRenamedToOtherType(golden: GoldenCase): boolean {
  return allKeySources(golden).some(
    ({ columnName, valueType }) =>
      golden.sent?.has(columnName) === false && isKeyType(valueType) && !PLAIN_TYPES.has(valueType),
  );
}

/** Numbers of STRING and INT64. */
const PLAIN_TYPES: ReadonlySet<number> = new Set([2, 4]);

const UNCONVERTIBLE =
  /invalid literal for int\(\)|Value out of range|attribute name must be string, not 'NoneType'/;

/** Names the first value that decision 4 does not convert. */
function refuseLossy(answer: GoldenAnswer, golden: GoldenCase): GoldenAnswer | undefined {
  const lossy = lossyValue(golden);
  if (lossy === undefined || isFoundEarlier(answer, golden)) return undefined;
  const where = `Entity column ${lossy.columnName}, row ${lossy.row}`;
  const says = new RegExp(`${where}: (?:this \\w+ is no|the number is out of the range of) `);
  return refusal(golden.protocol, { ...INVALID, says });
}

function refusalText(answer: GoldenAnswer): string {
  return answer.kind === 'refused' ? answer.text : '';
}

/** Whether Feast's error is about something that we look at before entity values. */
function isFoundEarlier(answer: GoldenAnswer, golden: GoldenCase): boolean {
  return (
    allKeySources(golden).some(({ valueType }) => !isKeyType(valueType)) ||
    /Missing join key|same columns|not found|does not exist|disabled|is in state|not supported for retrieval/.test(
      refusalText(answer),
    )
  );
}

function hasNull(golden: GoldenCase): boolean {
  return allKeySources(golden).some(({ values }) => values.some(({ kind }) => kind === 'null'));
}

function needsConversion(golden: GoldenCase): boolean {
  return allKeySources(golden).some(
    ({ valueType, values }) =>
      isKeyType(valueType) &&
      lossyValue(golden) === undefined &&
      values.some((value) => {
        const converted = convertLossless(value, valueType)!;
        // JSON has one kind of integer.
        const isSame = golden.protocol === 'JSON' && value.kind === 'int64';
        return converted.kind !== value.kind && !isSame;
      }),
  );
}
