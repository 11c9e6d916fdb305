import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig, type LoadOptions } from '../../src/config/load-config.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'sideboard-config-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

/** A feature repository of its own with that `feature_store.yaml`; gone after the tests of the file. */
export function makeRepository(yaml: string): string {
  const path = mkdtempSync(join(FOLDER, 'repo-'));
  writeFileSync(join(path, 'feature_store.yaml'), yaml);
  return path;
}

/** Loads that text; the environment is empty unless given. */
export function loadYaml(yaml: string, options: Partial<LoadOptions> = {}): Config {
  return loadConfig({ repoPath: makeRepository(yaml), env: {}, ...options });
}

/** The mistakes that loading reports, without the file's folder; fails when it reports none. */
export function mistakesOf(load: () => unknown): readonly string[] {
  try {
    load();
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code !== 'INVALID_CONFIGURATION') throw error;
    return message
      .split('\n  ')
      .slice(1)
      .map((line) => line.replace(/^\S*\/(?=[^/\s]+:)/, ''));
  }
  throw new Error('the configuration was accepted');
}
