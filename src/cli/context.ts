import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';

/**
 * Exit codes of every command: 0 done, 1 it failed, 2 what it was given is wrong (configuration, arguments, definitions),
 * 3 it looked and found what it was asked to fail on.
 */
export const EXIT = { ok: 0, failure: 1, invalid: 2, findings: 3 } as const;

/** The configuration that a command runs with: its repository's `feature_store.yaml`, the environment, then its flags. */
export function cliConfig(command: Command, overrides: Record<string, unknown> = {}): Config {
  const options = command.optsWithGlobals<{ chdir?: string; featureStoreYaml?: string }>();
  return loadConfig({
    repoPath: options.chdir ?? '.',
    ...(options.featureStoreYaml === undefined ? {} : { configFile: options.featureStoreYaml }),
    overrides,
  });
}

/** Prints a value for programs: one JSON document, bigint as digits, bytes as base64. */
export function printJson(value: unknown): void {
  process.stdout.write(`${stringify(value)}\n`);
}

function stringify(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, item: unknown) => {
      if (typeof item === 'bigint') return rawJson(item.toString());
      if (item instanceof Uint8Array) return Buffer.from(item).toString('base64');
      return item;
    },
    2,
  );
}

/** `JSON.rawJSON` of ES2026 (V8 has it, TypeScript's library not yet): prints digits beyond 2^53 as they are. */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
