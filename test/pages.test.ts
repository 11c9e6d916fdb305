import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createProgram } from '../src/cli/program.ts';
import type { Config } from '../src/config/config.ts';
import { SETTINGS } from '../src/config/settings.ts';
import { loadYaml } from './config/repository.ts';
import { blocksOf, textsOf, typedLines, type PageBlock } from './support/page-blocks.ts';

const ROOT = join(import.meta.dirname, '..');

const DRAWING = 'a drawing';

/** Who follows the commands of a page, or holds what its blocks say: a test for each language. */
const CHECKED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'README.md': { sh: 'test/interop/pages.test.ts' },
  // Its three commands are how this test came to run.
  'ARCHITECTURE.md': { '': DRAWING },
  'CONTRIBUTING.md': { sh: 'test/pages.test.ts' },
  'bench/README.md': { sh: 'test/system/pages.test.ts' },
  'deploy/README.md': { sh: 'test/interop/pages.test.ts' },
  'examples/loan-approval/README.md': { sh: 'test/system/pages.test.ts' },
  'docs/auth.md': { yaml: 'test/pages.test.ts', json: 'test/telemetry/audit-log.test.ts' },
  'docs/definitions.md': { ts: 'test/system/pages.test.ts', sh: 'test/system/pages.test.ts' },
  'docs/doctor.md': { console: 'test/system/pages.test.ts', text: 'test/system/doctor.test.ts' },
  'docs/faults.md': { sh: 'test/system/pages.test.ts' },
  'docs/materialize.md': {
    console: 'test/system/pages.test.ts',
    text: 'test/system/materialize.test.ts',
  },
  'docs/migrating-from-feast.md': {
    sh: 'test/interop/migrating.test.ts',
    yaml: 'test/interop/migrating.test.ts',
  },
  'docs/observing.md': { sh: 'test/interop/pages.test.ts', '': DRAWING },
  'docs/on-demand.md': {
    ts: 'test/system/pages.test.ts',
    yaml: 'test/pages.test.ts',
    sh: 'test/interop/migrating.test.ts',
  },
  'docs/training-data.md': {
    console: 'test/system/pages.test.ts',
    ts: 'test/system/pages.test.ts',
  },
  'docs/writing.md': { sh: 'test/system/pages.test.ts' },
};

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
}).split('\n');
const pages = files.filter((file) => file.endsWith('.md') && existsSync(join(ROOT, file)));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

describe('blocks of the pages', () => {
  test('are each run or compared by a test that is named here', () => {
    const unchecked = pages
      .flatMap((page) => blocksOf(page))
      .filter(({ page, language }) => CHECKED[page]?.[language] === undefined)
      .map(({ page, line, language }) => `${page}:${line} ${language}`);
    expect(unchecked).toEqual([]);
  });

  test.each(Object.keys(CHECKED))('%s still has those that are named here', (page) => {
    const languages = new Set(blocksOf(page).map(({ language }) => language));
    expect(Object.keys(CHECKED[page]!).sort()).toEqual([...languages].sort());
    const checkers = Object.values(CHECKED[page]!).filter((each) => each !== DRAWING);
    for (const checker of checkers) expect(files).toContain(checker);
  });
});

/** A repository's configuration with more of it. */
const configuration = (more: string): string =>
  `project: rides\nentity_key_serialization_version: 3\n${more}`;

describe('configuration', () => {
  test('docs/auth.md sets up OpenID', () => {
    const [oidc] = textsOf('docs/auth.md', 'yaml');
    expect(loadYaml(configuration(oidc!))).toMatchObject({
      warnings: [],
      auth: { kind: 'oidc', clientId: 'feast', audience: 'feast-server' },
    });
  });

  test('docs/auth.md gives the service account what it asks the cluster for', () => {
    const { rules } = parse(textsOf('docs/auth.md', 'yaml')[1]!) as { rules: unknown };
    expect(rules).toEqual([
      { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['rolebindings'], verbs: ['list'] },
    ]);
  });

  test('docs/on-demand.md names the transformation server', () => {
    const [yaml] = textsOf('docs/on-demand.md', 'yaml');
    expect(loadYaml(configuration(yaml!))).toMatchObject({
      warnings: [],
      transformationEndpoint: 'localhost:6569',
    });
  });

  const places = [
    ...read('docs/registries.md').matchAll(/^\| (`(?:file|sql|remote)`.*?) \| (.*?) \|/gm),
  ];
  const words = (cell: string): string[] =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);

  test.each(
    places.flatMap(([, type = '', paths = '']) =>
      words(paths).map((path) => [path, words(type)] as const),
    ),
  )('docs/registries.md: a registry at %s', (shown, [type, ...more]) => {
    const path = shown.replace('://…', '://features:secret@db.example/feast');
    const lines = [`registry_type: ${type}`, `path: ${path}`, ...more];
    const { registry, warnings } = loadYaml(configuration(`registry: {${lines.join(', ')}}`));
    expect(warnings).toEqual([]);
    expect(registry.kind).toBe(expectedKind(path, type!));
  });

  test('docs/registries.md has a place for every kind', () => {
    expect(places.length).toBeGreaterThanOrEqual(6);
  });

  const settings = new Map(SETTINGS.map(({ name }) => [name as string, true]));
  test.each(
    pages.flatMap((page) =>
      [...read(page).matchAll(/`([a-z0-9_]+): ([\w.-]+)`/g)]
        .filter(([, name]) => settings.has(name!))
        .map(([, name, value]) => [page, name!, value!] as const),
    ),
  )('%s: %s may be %s', (_page, name, value) => {
    expect(loadYaml(configuration(`sideboard: {${name}: ${value}}`)).warnings).toEqual([]);
  });
});

function expectedKind(path: string, type: string): Config['registry']['kind'] {
  if (type !== 'file') return type as 'sql' | 'remote';
  if (path.startsWith('s3:')) return 's3';
  if (path.startsWith('gs:')) return 'gcs';
  return path.startsWith('https:') ? 'azure' : 'file';
}

/** Words of Feast's, and one that is put together of parts. */
const NOT_OURS: ReadonlySet<string> = new Set([
  'serve_offline',
  'serve_registry',
  'token_env_var',
  'write_transformation',
]);
/** Metrics are looked for in what a server says: test/system/pages.test.ts. */
const METRIC = /^(?:(?:feast_)?feature_server|nodejs|process)_/;

describe('names', () => {
  const sources = files
    .filter((file) => /^(src|proto)\/.*\.(ts|proto|py)$/.test(file))
    .filter((file) => existsSync(join(ROOT, file)))
    .map(read)
    .join('\n');
  const guides = pages.filter((page) =>
    /^(README|docs\/[\w-]+)\.md$|^docs\/[\w-]+\.md$/.test(page),
  );

  test.each(guides)('%s uses none that the code does not have', (page) => {
    const names = [
      ...read(page).matchAll(/`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?:\{[^`]*\}|: [^`]*)?`/g),
    ];
    const unknown = names.map(([, name]) => name!).filter((name) => !sources.includes(name));
    expect(unknown.filter((name) => !NOT_OURS.has(name) && !METRIC.test(name))).toEqual([]);
  });
});

/** Lines of a block that call `sideboard`, as words; those that go on by `\` are joined. */
function callsIn({ language, text }: PageBlock): readonly (readonly string[])[] {
  const typed = language === 'console' ? typedLines(text) : text;
  return typed
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => /^(?:\S*time -v )?(?:npx )?sideboard (.*)$/.exec(line)?.[1])
    .filter((line) => line !== undefined)
    .map((line) =>
      line
        .replace(/ +#.*| >.*| &$/, '')
        .replaceAll(/"\$\(.*\)"/g, '…')
        .split(/ +/),
    );
}

describe('calls of sideboard', () => {
  const calls = pages
    .flatMap((page) => blocksOf(page))
    .filter(({ language }) => ['sh', 'console'].includes(language))
    .flatMap((block) => callsIn(block).map((words) => [block.page, words] as const));

  test('are found', () => {
    expect(calls.length).toBeGreaterThan(25);
  });

  test.each(calls)('%s: %j', (_page, words) => {
    const { command, rest } = commandOf(words);
    const flags = command.options.flatMap(({ short, long }) => [short, long]);
    for (const word of rest.filter((each) => /^--?[a-z]/.test(each))) expect(flags).toContain(word);
  });
});

/** Which command the words call, and what they say to it. */
function commandOf(words: readonly string[]): { command: Command; rest: readonly string[] } {
  let command: Command = createProgram();
  let rest = words[0] === '-c' ? words.slice(2) : words;
  for (;;) {
    const next = command.commands.find((each) => each.name() === rest[0]);
    if (next === undefined) break;
    command = next;
    rest = rest.slice(1);
  }
  expect(command.name(), words.join(' ')).not.toBe('sideboard');
  return { command, rest };
}

test.each(pages.filter((page) => !/^(docs\/adr\/|docs\/benchmarks|CHANGELOG)/.test(page)))(
  '%s names files that are there',
  (page) => {
    // A comment may name the beginning of a path, as vitest takes it.
    const named = read(page)
      .replaceAll(/<!--.*-->/g, '')
      .matchAll(
        /(?<![\w./-])((?:test|src|bench|docs|deploy|examples|scripts|proto)\/[\w./-]*\w\/?)(?![\w<*{-])/g,
      );
    const missing = [...named]
      .map(([, path]) => path!)
      .filter((path) => !existsSync(join(ROOT, path)));
    expect(missing.filter((path) => !MADE.test(path))).toEqual([]);
  },
);

/** What is made by a program, or stands for any. */
const MADE = /^(bench\/results\/X\.json|examples\/loan-approval\/data)/;

test('commands of npm that pages name are there', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = pages
    .filter((page) => !page.includes('CHANGELOG'))
    .flatMap((page) => [...read(page).matchAll(/\bnpm run ([\w:]+)/g)].map(([, name]) => name!));
  expect(named.length).toBeGreaterThan(10);
  for (const name of new Set(named)) expect(Object.keys(scripts)).toContain(name);
});
