import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SideboardError, type ErrorCode } from '../src/errors.ts';
import { GRPC_CODE_BY_ERROR, grpcCodeName } from '../src/grpc/status.ts';
import { feastErrorAnswer } from '../src/http/feast-error.ts';

const ROOT = join(import.meta.dirname, '..');
const MAX_FILE_BYTES = 300_000;
/** Written by a program and as large as what it describes. */
const GENERATED = /^(gen\/|package-lock\.json$|bench\/results\/)/;

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)));
const written = files.filter((file) => !GENERATED.test(file));

/** Where a pattern occurs in what people wrote, as `file:line`. */
function placesOf(pattern: RegExp, among: readonly string[] = written): string[] {
  return among.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    if (text.includes('\0')) return [];
    return text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}`] : []));
  });
}

describe('the repository', () => {
  test('has files to look at', () => {
    expect(written.length).toBeGreaterThan(100);
    expect(written).toContain('test/tidy.test.ts');
  });

  test('leaves nothing to be done later', () => {
    // Written with a gap, or this file would be the first to be found.
    const marks = ['TO DO', 'FIX ME', 'X XX'].map((mark) => mark.replace(' ', ''));
    expect(placesOf(new RegExp(`\\b(${marks.join('|')})\\b`))).toEqual([]);
  });

  test('names no path of somebody’s machine', () => {
    const places = ['work', 'tmp', 'home', 'root', 'Users'].map((name) => `${name}/`).join('|');
    expect(placesOf(new RegExp(`(^|[\\s"'\`(=:])/(${places})`))).toEqual([]);
  });

  test(`has no file over ${MAX_FILE_BYTES / 1000} kB`, () => {
    const large = files
      .filter((file) => file !== 'package-lock.json')
      .filter((file) => statSync(join(ROOT, file)).size > MAX_FILE_BYTES);
    expect(large).toEqual([]);
  });

  test('has a title on every page', () => {
    const untitled = written
      .filter((file) => file.endsWith('.md'))
      .filter((file) => !/^# \S/.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(untitled).toEqual([]);
  });

  test('links to files that exist', () => {
    const broken = written
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) => {
        const text = readFileSync(join(ROOT, file), 'utf8').replaceAll(/```[\s\S]*?```/g, '');
        return [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)/g)]
          .map((match) => match[1] ?? '')
          .filter((target) => !existsSync(join(ROOT, file, '..', target)))
          .map((target) => `${file} -> ${target}`);
      });
    expect(broken).toEqual([]);
  });
});

describe('docs/errors.md', () => {
  const page = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8');
  const rows = new Map(
    [...page.matchAll(/^\| `([A-Z_]+)` \|(.*)\|$/gm)].map((match) => [
      match[1] ?? '',
      (match[2] ?? '').split('|').map((cell) => cell.trim()),
    ]),
  );
  const codes = Object.keys(GRPC_CODE_BY_ERROR) as ErrorCode[];

  test('lists every error code and no other', () => {
    expect([...rows.keys()].sort()).toEqual([...codes].sort());
  });

  test.each(codes)('%s: meaning, gRPC code, HTTP status and remedy', (code) => {
    const [meaning, grpc, http, remedy] = rows.get(code) ?? [];
    expect(meaning).toMatch(/\S+ \S+/);
    expect(grpc).toBe(grpcCodeName(GRPC_CODE_BY_ERROR[code]));
    expect(http).toBe(String(feastErrorAnswer(new SideboardError(code, 'any')).status));
    expect(remedy).toMatch(/\S+ \S+/);
  });
});
