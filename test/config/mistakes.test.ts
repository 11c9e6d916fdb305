import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { mistakesOf } from './repository.ts';

const FOLDER = join(import.meta.dirname, 'mistakes');
const MARK = ' # error: ';

/** What a file's own comments expect: `# error: …` on the line that is wrong, several of them one after the other. */
function expectedProblems(file: string): readonly string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line, index) =>
      ` ${line}`
        .split(MARK)
        .slice(1)
        .map((message) => `${basename(file)}:${index + 1}: ${message}`),
    );
}

describe('each file of test/config/mistakes', () => {
  const files = readdirSync(FOLDER).sort();

  test.each(files)('%s is refused with every mistake and its line', (name) => {
    const file = join(FOLDER, name);
    const expected = expectedProblems(file);
    expect(expected).not.toEqual([]);
    const found = mistakesOf(() => loadConfig({ configFile: file, env: {} }));
    expect([...found].sort()).toEqual([...expected].sort());
  });
});

test('of a file that is no YAML the first mistakes are listed', () => {
  const configFile = join(import.meta.dirname, 'mistakes.test.ts');
  const found = mistakesOf(() => loadConfig({ configFile, env: {} }));
  expect(found).toHaveLength(6);
  expect(found[0]).toMatch(/^mistakes\.test\.ts:\d+: no valid YAML: /);
  expect(found[5]).toMatch(/: no valid YAML in \d+ more places: is it YAML\?$/);
});

test('mistakes are listed under how many there are', () => {
  expect(() =>
    loadConfig({ configFile: join(FOLDER, 'several-mistakes-at-once.yaml'), env: {} }),
  ).toThrow(/^the configuration has 4 mistakes:\n {2}\S+several-mistakes-at-once\.yaml:/);
  expect(() => loadConfig({ configFile: join(FOLDER, 'no-project.yaml'), env: {} })).toThrow(
    /^the configuration is wrong:\n/,
  );
});
