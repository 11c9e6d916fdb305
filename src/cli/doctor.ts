import { InvalidArgumentError, type Command } from 'commander';
import type { Config, RedisConfig } from '../config/config.ts';
import type { Examination, ExaminationOptions } from '../doctor/examine-redis.ts';
import { FINDING_LEVELS, type FindingLevel } from '../doctor/finding.ts';
import { SideboardError } from '../errors.ts';
import { cliConfig, EXIT, printJson } from './context.ts';
import { doctorReport } from './doctor-report.ts';
import { readSnapshot } from './read-snapshot.ts';

interface DoctorOptions {
  readonly json?: boolean;
  readonly sample: number;
  readonly hashes: number;
  readonly maxFields: number;
  readonly slots: number;
  readonly timed: number;
  readonly reads: number;
  readonly seconds: number;
  readonly scratch: boolean;
  readonly zone: ReadonlyMap<string, string>;
  readonly showKeys?: boolean;
  readonly failOn: FailOn;
}

type FailOn = 'error' | 'warning' | 'advice' | 'never';
const FAIL_ON: readonly FailOn[] = ['error', 'warning', 'advice', 'never'];

/** `sideboard doctor`: examines the Redis that holds the features and says what to change; it only reads. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'examines the Redis that holds the features and says what to change; it only reads',
    )
    .option('--json', 'print one JSON document')
    .option('--sample <keys>', 'keys looked at, per shard', count, 400)
    .option('--hashes <count>', 'hashes of them read whole, per shard', count, 100)
    .option('--max-fields <count>', 'hashes with more fields are not read whole', count, 4_096)
    .option('--slots <count>', 'slots of a cluster whose keys are counted', count, 16_384)
    .option('--timed <hashes>', 'hashes per entity that a read is timed on', count, 200)
    .option('--reads <count>', 'reads timed per entity, the widest', count, 3)
    .option('--seconds <count>', 'begin nothing new after so long', count, 60)
    .option('--no-scratch', 'start no Redis of its own to measure copies in: estimate instead')
    .option(
      '--zone <address=zone>',
      'availability zone of a host or host:port; again for more',
      addZone,
      new Map<string, string>(),
    )
    .option('--show-keys', 'name keys as they are, entity values and all, not by a hash')
    .option(
      '--fail-on <level>',
      `exit 3 from this level on: ${FAIL_ON.join(', ')}`,
      failOn,
      'error',
    )
    .addHelpText(
      'after',
      `
Exit codes: 0 examined; 1 the store could not be examined; 2 wrong arguments or configuration;
3 examined, and there are findings of the level of --fail-on or graver.

It writes nothing to the store. Other encodings are measured on copies of some hashes in a throwaway
redis-server on this machine, where one is installed (see --no-scratch). docs/doctor.md has the rest.

Example:
  $ sideboard -c my_repo doctor --zone 10.0.1.5=eu-1a --zone 10.0.2.5=eu-1b`,
    )
    .action(async (options: DoctorOptions, command: Command) => {
      const examination = await examine(cliConfig(command), options);
      if (options.json === true) printJson(examination);
      else process.stdout.write(doctorReport(examination, process.stdout.columns ?? 120));
      if (isAtLeast(examination, options.failOn)) process.exitCode = EXIT.findings;
    });
}

async function examine(config: Config, options: DoctorOptions): Promise<Examination> {
  const { examineRedis } = await import('../doctor/examine-redis.ts');
  const { stderr } = process;
  return examineRedis({
    store: redisOf(config),
    snapshot: await readSnapshot(config),
    entityKeyVersion: config.entityKeySerializationVersion,
    limits: {
      keys: options.sample,
      hashes: options.hashes,
      maxFields: options.maxFields,
      slots: options.slots,
      timedHashes: options.timed,
      reads: options.reads,
      budgetMs: options.seconds * 1000,
    },
    zones: options.zone,
    useScratch: options.scratch,
    showKeys: options.showKeys === true,
    nowSeconds: Date.now() / 1000,
    onStep: (name, step, steps) => stderr.write(`doctor: ${step + 1} of ${steps}, ${name}\n`),
  } satisfies ExaminationOptions);
}

function redisOf({ onlineStore }: Config): RedisConfig {
  if (onlineStore.kind === 'sqlite') {
    throw new SideboardError(
      'INVALID_REQUEST',
      'the doctor examines Redis; this online store is SQLite, for which `sideboard check` says what there is to say',
    );
  }
  return onlineStore;
}

function isAtLeast({ findings }: Examination, level: FailOn): boolean {
  if (level === 'never') return false;
  const graver = FINDING_LEVELS.slice(0, FINDING_LEVELS.indexOf(level) + 1);
  return findings.some((finding) => (graver as readonly FindingLevel[]).includes(finding.level));
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > 1_000_000) {
    throw new InvalidArgumentError('It takes a whole number from 1 to 1000000.');
  }
  return value;
}

function addZone(text: string, zones: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) {
    throw new InvalidArgumentError('It takes HOST=ZONE or HOST:PORT=ZONE.');
  }
  return new Map([...zones, [text.slice(0, at), text.slice(at + 1)]]);
}

function failOn(text: string): FailOn {
  const level = FAIL_ON.find((name) => name === text);
  if (level === undefined) {
    throw new InvalidArgumentError(`It takes one of: ${FAIL_ON.join(', ')}.`);
  }
  return level;
}
