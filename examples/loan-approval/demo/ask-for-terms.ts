import { create } from '@bufbuild/protobuf';
import { type Value, ValueSchema } from '../../../gen/feast/types/Value_pb.ts';
import { answerTable } from '../../../src/cli/answer-table.ts';
import { askServer } from '../../../src/cli/ask-server.ts';
import type { GeneratedData } from '../generate-data.ts';
import { say } from './print-step.ts';

const ZIPCODE = 94_109n;
/** What the same applicant asks for, in US dollars; and somebody of whom nothing is known. */
const AMOUNTS = [10_000n, 500_000n, 10_000n];
const STRANGER = '19000101_0000';

/** Narrow enough that the table has a line per feature. */
const TABLE_WIDTH = 80;

/** Asks for features that are computed of what is stored and of what comes with the request, and says what they are. */
export async function askForTerms(server: string, { applicant }: GeneratedData): Promise<void> {
  const answer = await askServer({
    server,
    protocol: 'grpc',
    featureService: 'loan_terms',
    features: [],
    entities: new Map([
      ['zipcode', AMOUNTS.map(() => int64Value(ZIPCODE))],
      ['dob_ssn', [applicant, applicant, STRANGER].map(stringValue)],
      ['amount', AMOUNTS.map(int64Value)],
    ]),
    fullFeatureNames: false,
    deadlineMs: 10_000,
  });
  say(answerTable(answer, Date.now(), TABLE_WIDTH));
  say(`
debt and years_of_local_income are stored nowhere: the function in loan-terms.ts computes them, on a thread of the server
row 1  an applicant who asks for 10,000 dollars: amount is request data, and comes with the request
row 2  the same one asks for 500,000: the stored features are the same, what is computed is not
row 3  somebody of whom nothing is known: the function gives null
`);
}

function int64Value(value: bigint): Value {
  return create(ValueSchema, { val: { case: 'int64Val', value } });
}

function stringValue(value: string): Value {
  return create(ValueSchema, { val: { case: 'stringVal', value } });
}
