import { create } from '@bufbuild/protobuf';
import { type Value, ValueSchema } from '../../../gen/feast/types/Value_pb.ts';
import { answerTable } from '../../../src/cli/answer-table.ts';
import { askServer } from '../../../src/cli/ask-server.ts';
import type { FeatureAnswer } from '../../../src/cli/feature-answer.ts';
import type { GeneratedData } from '../generate-data.ts';
import { askJson } from './ask-json.ts';
import { say } from './print-step.ts';

/** A zip code that every run has, and one that none has. */
const KNOWN_ZIPCODE = 94_109n;
const UNKNOWN_ZIPCODE = 99_999n;

/** Narrow enough that the table has a line per feature. */
const TABLE_WIDTH = 80;

/**
 * Asks one question over gRPC, Connect and Feast's JSON, prints the vectors and says how the answers compare.
 *
 * @throws Error when two protocols do not give the same values
 */
export async function askEveryProtocol(server: string, data: GeneratedData): Promise<void> {
  const zipcodes = [KNOWN_ZIPCODE, KNOWN_ZIPCODE, UNKNOWN_ZIPCODE];
  const applicants = [data.applicant, data.formerApplicant, data.applicant];
  const question = {
    server,
    featureService: 'loan_decision',
    features: [],
    entities: new Map([
      ['zipcode', zipcodes.map(int64Value)],
      ['dob_ssn', applicants.map(stringValue)],
    ]),
    fullFeatureNames: false,
    deadlineMs: 5_000,
  };
  const grpc = await askServer({ ...question, protocol: 'grpc' });
  say(answerTable(grpc, Date.now(), TABLE_WIDTH));
  say(`
row 1  an applicant who is up to date: every status is PRESENT, and each value says how old it is
row 2  one whose last report is older than the 90 days of the view's TTL: OUTSIDE_MAX_AGE, with the value
row 3  a zip code that nobody knows: NOT_FOUND for its features, the applicant's are there
`);
  const connect = await askServer({ ...question, protocol: 'connect' });
  assertSameValues('Connect', grpc, connect);
  say(
    'over gRPC      POST /feast.serving.ServingService/GetOnlineFeatures (HTTP/2): the table above',
  );
  say(`over Connect   the same URL over HTTP/1.1: ${countValues(connect)} values, all the same`);
  const json = await askJson(server, question.featureService, {
    zipcode: zipcodes.map(Number),
    dob_ssn: applicants,
  });
  assertSameValues("Feast's JSON", grpc, json);
  say(
    `over JSON      POST /get-online-features: ${countValues(json)} values, all the same${ttlNote(grpc, json)}`,
  );
}

function int64Value(value: bigint): Value {
  return create(ValueSchema, { val: { case: 'int64Val', value } });
}

function stringValue(value: string): Value {
  return create(ValueSchema, { val: { case: 'stringVal', value } });
}

/** Columns are paired by name: each protocol has Feast's order of its own. */
function assertSameValues(protocol: string, one: FeatureAnswer, other: FeatureAnswer): void {
  const byName = new Map(other.map((column) => [column.name, column.values.join('\n')]));
  for (const { name, values } of one) {
    if (byName.get(name) === values.join('\n')) continue;
    throw new Error(`${protocol} and gRPC differ in ${name}`);
  }
}

function countValues(answer: FeatureAnswer): number {
  return answer.reduce((count, { values }) => count + values.length, 0);
}

function ttlNote(grpc: FeatureAnswer, json: FeatureAnswer): string {
  const hasAged = (answer: FeatureAnswer): boolean =>
    answer.some(({ statuses }) => statuses.includes('OUTSIDE_MAX_AGE'));
  return hasAged(grpc) && !hasAged(json)
    ? "\n               (in Feast's JSON no value is too old; `sideboard: { online_ttl: enforce }` changes that)"
    : '';
}
