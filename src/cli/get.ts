import type { Command } from 'commander';
import { SideboardError } from '../errors.ts';
import { EXIT } from './context.ts';

const DEFAULT_SERVER = 'http://localhost:6566';
const DEFAULT_TERMINAL_WIDTH = 120;
const PROTOCOLS = ['grpc', 'connect', 'json'] as const;

type Protocol = (typeof PROTOCOLS)[number];

/** The flags of `sideboard get`, as commander hands them over. */
interface GetFlags {
  readonly server: string;
  readonly featureService?: string;
  readonly features?: string;
  readonly fullFeatureNames?: true;
  readonly protocol: string;
  readonly deadlineMs: string;
  readonly json?: true;
}

const EXAMPLES = `
Entity values:
  driver_id=1001,1002        integers are sent as int64, everything else as a string
  code:int32=7               a type can be forced: string, int32, int64, float, double,
                             bool, bytes (base64), unix_timestamp (seconds)
  city='["Paris, TX", null]' a JSON array, for values with commas and for nulls
  Several join keys: every KEY has as many values as there are rows.

Reading the table:
  0.5  (3 d)                 the value, and how long ago it was true
  null  (not found)          nothing is stored for that entity
  0.5  (too old, 40 d)       older than the feature view's TTL

Examples:
  $ sideboard get --feature-service loan_decision zipcode=94109 dob_ssn=19781116_7723
  $ sideboard get --features driver_stats:conv_rate,driver_stats:acc_rate driver_id=1001,1002
  $ sideboard get --features driver_stats:conv_rate driver_id=1001 --json | jq .results
  $ NODE_EXTRA_CA_CERTS=ca.pem sideboard get --server https://features:6566 --feature-service fraud user_id=7
  $ sideboard get --server http://features:6566 --protocol json --deadline-ms 50 \\
      --feature-service fraud --full-feature-names user_id=7

Exit codes: 0 answered; 1 no answer; 2 the question is wrong, here or in the server's eyes.`;

const NOTHING_STORED = `sideboard: nothing is stored for any of these entities: check their values, or fill the store (sideboard materialize)
`;

/** `sideboard get`: asks a running server for features and prints what it says. */
export function registerGet(program: Command): void {
  const command = program
    .command('get')
    .description('asks a running server for the features of entities, and prints them')
    .argument('<entity...>', 'KEY=VALUE[,VALUE…]: a join key and its value in each row')
    .option('--server <url>', 'where the server is', DEFAULT_SERVER)
    .option('--feature-service <name>', 'the features of a feature service')
    .option('--features <refs>', 'features by reference: view:feature,view:feature')
    .option('--full-feature-names', 'name features view__feature in the answer')
    .option('--protocol <name>', `how to ask: ${PROTOCOLS.join(', ')}`, 'grpc')
    .option('--deadline-ms <n>', 'how long to wait for the answer', '10000')
    .option('--json', "print one JSON document, in the shape of Feast's HTTP API")
    .addHelpText('after', EXAMPLES);
  command.action(async (entities: string[]) => {
    await runGet(entities, command.opts<GetFlags>());
  });
}

async function runGet(entities: readonly string[], flags: GetFlags): Promise<void> {
  const features = flags.features?.split(',').filter((reference) => reference !== '') ?? [];
  if ((flags.featureService === undefined) === (features.length === 0)) {
    throw invalid('name what to get: either --feature-service NAME or --features view:feature,…');
  }
  const { parseEntityArguments } = await import('./entity-arguments.ts');
  const question = {
    server: serverUrl(flags.server),
    protocol: protocolOf(flags.protocol),
    featureService: flags.featureService,
    features,
    entities: parseEntityArguments(entities),
    fullFeatureNames: flags.fullFeatureNames === true,
    deadlineMs: deadlineOf(flags.deadlineMs),
  };
  const { askServer } = await import('./ask-server.ts');
  const { answerJson, isNothingStored } = await import('./feature-answer.ts');
  const { answerTable } = await import('./answer-table.ts');
  try {
    const answer = await askServer(question);
    const text =
      flags.json === true
        ? answerJson(answer)
        : answerTable(answer, Date.now(), process.stdout.columns ?? DEFAULT_TERMINAL_WIDTH);
    process.stdout.write(`${text}\n`);
    if (isNothingStored(answer, question.entities)) process.stderr.write(NOTHING_STORED);
  } catch (error) {
    await reportNoAnswer(error, question.server);
  }
}

/** Says why there is no answer; what the server blames on the question exits with 2. */
async function reportNoAnswer(error: unknown, server: string): Promise<void> {
  if (error instanceof SideboardError) throw error;
  const { whyNoAnswer } = await import('./why-no-answer.ts');
  const { reason, isQuestionWrong } = whyNoAnswer(error, server);
  process.stderr.write(`sideboard: ${reason}\n`);
  process.exitCode = isQuestionWrong ? EXIT.invalid : EXIT.failure;
}

function serverUrl(text: string): string {
  const withScheme = /^https?:\/\//.test(text) ? text : `http://${text}`;
  if (!URL.canParse(withScheme)) {
    throw invalid(`--server ${text} is no address, such as ${DEFAULT_SERVER}`);
  }
  return withScheme;
}

function protocolOf(text: string): Protocol {
  const protocol = PROTOCOLS.find((name) => name === text);
  if (protocol === undefined) {
    throw invalid(`--protocol ${text} is none of ${PROTOCOLS.join(', ')}`);
  }
  return protocol;
}

function deadlineOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw invalid(`--deadline-ms takes a whole number of milliseconds above 0, not ${text}`);
  }
  return Number(text);
}

function invalid(message: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', message);
}
