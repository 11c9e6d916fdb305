import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const EXCUSE = '// @ts-expect-error';
const fixture = readFileSync(join(import.meta.dirname, 'wrong-names.fixture.ts'), 'utf8');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-types-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the compiler on one file as a user's feature repository would; returns the lines that it complains about. */
function compile(name: string, text: string): { lines: number[]; output: string } {
  const project = join(folder, name);
  mkdirSync(project);
  writeFileSync(join(project, 'features.ts'), text);
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  const tsconfig = {
    extends: resolve('tsconfig.json'),
    compilerOptions: {
      rootDir: '/',
      typeRoots: [resolve('node_modules/@types')],
      paths: { sideboard: [resolve('src/definitions/sideboard.ts')] },
    },
    include: ['features.ts'],
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(tsconfig));
  const { stdout } = spawnSync(
    process.execPath,
    [resolve('node_modules/typescript/bin/tsc'), '-p', project, '--pretty', 'false'],
    { encoding: 'utf8', cwd: project },
  );
  const lines = [...stdout.matchAll(/features\.ts\((\d+),/g)].map((match) => Number(match[1]));
  return { lines, output: stdout };
}

describe('names that the compiler checks', () => {
  it('accepts the fixture as it is: what is right compiles, and no excuse is unused', () => {
    const { output } = compile('excused', fixture);
    expect(output).toBe('');
  });

  it('finds each mistake once the excuses are taken away', () => {
    const lines = fixture.split('\n');
    const mistakes = lines.flatMap((line, index) => (line.includes(EXCUSE) ? [index + 2] : []));
    expect(mistakes.length).toBeGreaterThan(10);
    const found = compile('bare', fixture.replaceAll(EXCUSE, '//'));
    expect([...new Set(found.lines)], found.output).toEqual(mistakes);
  });
});
