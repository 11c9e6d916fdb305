import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  featureServerSchema,
  keysAt,
  materializationSchema,
  redisSchema,
  registrySchema,
  sqliteSchema,
  STRICT_BLOCKS,
  TOP_LEVEL_KEYS,
} from '../../src/config/feast-schema.ts';
import { runPython } from '../support/python.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'configuration_keys.py');
const CONFIG_TESTS = join(import.meta.dirname, '..', 'config');
const MISTAKES = join(CONFIG_TESTS, 'mistakes');

/** Keys that Feast's classes have and that nobody writes: made by Feast itself. */
const INTERNAL = ['repo_path'];

const OURS: Readonly<Record<string, readonly string[]>> = {
  top: TOP_LEVEL_KEYS,
  registry: keysAt(registrySchema, []),
  redis: keysAt(redisSchema, []),
  sqlite: keysAt(sqliteSchema, []),
  feature_server: keysAt(featureServerSchema, []),
  metrics: keysAt(featureServerSchema, ['metrics']),
  feature_logging: keysAt(featureServerSchema, ['feature_logging']),
  audit_logging: keysAt(featureServerSchema, ['audit_logging']),
  materialization: keysAt(materializationSchema, []),
  embedding_model: keysAt(STRICT_BLOCKS['embedding_model']!, []),
  data_quality_monitoring: keysAt(STRICT_BLOCKS['data_quality_monitoring']!, []),
};
/** Blocks whose unknown keys pass with a warning. */
const LENIENT = ['top', 'registry', 'materialization'];

interface FeastConfiguration {
  readonly blocks: Readonly<Record<string, { keys: readonly string[]; strict: boolean }>>;
  readonly verdicts: Readonly<Record<string, string>>;
}

describe('feature_store.yaml beside the real Feast', () => {
  const misspelt = readdirSync(MISTAKES).filter((name) =>
    readFileSync(join(MISTAKES, name), 'utf8').includes('# error: unknown key '),
  );
  const accepted = readdirSync(join(CONFIG_TESTS, 'accepted'));
  let feast: FeastConfiguration;
  beforeAll(async () => {
    const files = [
      ...misspelt.map((name) => join(MISTAKES, name)),
      ...accepted.map((name) => join(CONFIG_TESTS, 'accepted', name)),
    ];
    feast = JSON.parse(await runPython(SCRIPT, files)) as FeastConfiguration;
  });

  it.each(Object.keys(OURS))('knows every key of block %s', (block) => {
    const { keys, strict } = feast.blocks[block]!;
    const unknown = keys.filter((key) => !OURS[block]!.includes(key) && !INTERNAL.includes(key));
    expect(unknown).toEqual([]);
    expect(strict).toBe(!LENIENT.includes(block));
  });

  it('tests what Feast accepts', () => {
    expect(accepted.map((name) => [name, feast.verdicts[name]])).toEqual(
      accepted.map((name) => [name, 'accepted']),
    );
  });

  it('refuses keys that Feast refuses too', () => {
    expect(misspelt.length).toBeGreaterThan(4);
    expect(misspelt.map((name) => [name, feast.verdicts[name]])).toEqual(
      misspelt.map((name) => [name, expect.stringMatching(/^refused: /)]),
    );
  });
});
