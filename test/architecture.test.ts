import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');
const MAX_FILE_LINES = 300;
/** What feature repositories import: the one file that passes on names of others. */
const PACKAGE_ENTRY = 'definitions/sideboard.ts';

/** What one folder of `src/` may know. Whatever is not named is forbidden; its own folder is always allowed. */
interface FolderRule {
  /** Folders, or single files, of `src/` that it may import; `gen` is the generated code. */
  readonly may: readonly string[];
  /** The same for imports of types alone, which leave no trace at run time. */
  readonly mayForTypes?: readonly string[];
  /** npm packages (scope and name), and built-in modules with their `node:`. */
  readonly packages: readonly string[];
}

const FILES = ['node:fs', 'node:fs/promises', 'node:path', 'node:os', 'node:url', 'node:crypto'];
const SOCKETS = ['node:net', 'node:tls'];

/** The import table of ARCHITECTURE.md. `*` stands for everything. */
const RULES: Readonly<Record<string, FolderRule>> = {
  '.': { may: ['*'], packages: ['*'] },
  cli: { may: ['*'], packages: ['*'] },
  config: {
    may: ['did-you-mean.ts', 'errors.ts'],
    packages: ['zod', 'yaml', 'node:buffer', 'node:module', ...FILES],
  },
  registry: {
    may: ['errors.ts', 'explain-unreachable.ts', 'gen', 's3-client.ts'],
    mayForTypes: ['config/config.ts', 'config/registry-place.ts'],
    packages: [
      '@aws-sdk/client-s3',
      '@azure/identity',
      '@azure/storage-blob',
      '@bufbuild/protobuf',
      '@google-cloud/storage',
      '@grpc/grpc-js',
      'mysql2',
      'node:sqlite',
      'node:timers/promises',
      'pg',
      ...FILES,
    ],
  },
  definitions: {
    may: ['errors.ts', 'gen', 'registry'],
    packages: ['@bufbuild/protobuf', 'node:module', ...FILES],
  },
  'feast-encoding': { may: ['errors.ts'], packages: ['node:buffer'] },
  retrieval: {
    may: ['did-you-mean.ts', 'errors.ts', 'feast-encoding', 'registry/registry-model.ts'],
    mayForTypes: [
      'call/access.ts',
      'call/caller-signal.ts',
      'call/entrance.ts',
      'call/request-timing.ts',
      'online-store/online-store.ts',
    ],
    packages: ['node:buffer', 'node:assert', 'node:assert/strict'],
  },
  ingestion: {
    may: [
      'did-you-mean.ts',
      'errors.ts',
      's3-client.ts',
      'feast-encoding',
      'registry/registry-model.ts',
    ],
    mayForTypes: ['call/access.ts', 'call/caller-signal.ts', 'online-store/online-store.ts'],
    packages: [
      '@aws-sdk/client-s3',
      '@duckdb/node-api',
      '@duckdb/node-bindings',
      'node:buffer',
      ...FILES,
    ],
  },
  transformation: {
    may: [
      'errors.ts',
      'gen',
      'definitions',
      'feast-encoding',
      'ingestion/plain-conversion.ts',
      'ingestion/plain-value.ts',
      'ingestion/value-encoder.ts',
    ],
    mayForTypes: [
      'call/caller-signal.ts',
      'call/entrance.ts',
      'registry/registry-model.ts',
      'retrieval/on-demand-plan.ts',
    ],
    packages: [
      '@bufbuild/protobuf',
      '@grpc/grpc-js',
      'apache-arrow',
      'node:buffer',
      'node:worker_threads',
      ...FILES,
    ],
  },
  training: {
    may: [
      'did-you-mean.ts',
      'errors.ts',
      'feast-encoding',
      'ingestion',
      'registry/registry-model.ts',
      'retrieval/expand-on-demand.ts',
      'retrieval/refuse-on-demand.ts',
      'retrieval/resolve-selection.ts',
    ],
    mayForTypes: ['retrieval/on-demand-plan.ts'],
    packages: ['@duckdb/node-api', ...FILES],
  },
  'online-store': {
    may: ['errors.ts', 'version.ts', 'feast-encoding', 'redis'],
    mayForTypes: ['call/caller-signal.ts', 'config/config.ts'],
    packages: ['node:buffer', 'node:sqlite', 'node:timers/promises', ...FILES],
  },
  doctor: {
    may: ['errors.ts', 'feast-encoding', 'registry', 'online-store', 'redis'],
    packages: ['node:buffer', 'node:child_process', 'node:timers/promises', 'node:util', ...FILES],
  },
  redis: { may: [], packages: ['node:buffer', 'node:dns/promises', ...SOCKETS] },
  http2: { may: [], packages: ['node:buffer', 'node:http2', 'node:stream', ...SOCKETS] },
  workers: {
    may: ['errors.ts', 'registry/kept-registry.ts'],
    mayForTypes: ['port/connection-router.ts', 'registry/registry-origin.ts'],
    packages: [
      'prom-client',
      'node:buffer',
      'node:child_process',
      'node:net',
      'node:timers/promises',
    ],
  },
  tls: {
    may: ['errors.ts', 'file-stamp.ts'],
    packages: ['node:crypto', 'node:fs/promises', ...SOCKETS],
  },
  admission: { may: ['errors.ts'], packages: [] },
  grpc: {
    may: [
      'errors.ts',
      'call/caller-signal.ts',
      'call/entrance.ts',
      'call/request-timing.ts',
      'gen',
      'http2',
      'retrieval',
      'ingestion',
    ],
    mayForTypes: ['admission/admission-gate.ts', 'admission/waiting-line.ts', 'call'],
    packages: ['@bufbuild/protobuf', 'node:buffer', 'node:zlib', 'node:util'],
  },
  http: {
    may: [
      'errors.ts',
      'call/caller-signal.ts',
      'call/entrance.ts',
      'call/request-timing.ts',
      'gen',
      'http2',
      'retrieval',
      'ingestion',
      'feast-encoding',
    ],
    mayForTypes: ['admission/admission-gate.ts', 'admission/waiting-line.ts', 'call'],
    packages: [
      '@bufbuild/protobuf',
      '@connectrpc/connect',
      '@connectrpc/connect-node',
      'node:buffer',
      'node:events',
      'node:http',
      'node:stream',
      'node:util',
      'node:zlib',
    ],
  },
  auth: {
    may: ['errors.ts', 'node-http.ts', 'registry/registry-model.ts'],
    mayForTypes: ['call/access.ts', 'config/auth-config.ts'],
    packages: ['jose', 'node:buffer', 'node:crypto', 'node:fs/promises', 'node:http', 'node:https'],
  },
  call: {
    may: ['errors.ts', 'registry/registry-model.ts'],
    mayForTypes: [
      'admission/admission-gate.ts',
      'admission/waiting-line.ts',
      'online-store/online-store.ts',
    ],
    packages: [],
  },
  port: {
    may: ['errors.ts', 'node-http.ts', 'http2', 'telemetry', 'tls'],
    mayForTypes: ['config/config.ts'],
    packages: ['node:fs/promises', 'node:http', 'node:net'],
  },
  telemetry: {
    // It wraps calls and names their status codes; it knows no protocol.
    may: [
      'errors.ts',
      'file-stamp.ts',
      'gen',
      'node-http.ts',
      'port/listen.ts',
      'call/request-timing.ts',
      'version.ts',
      'grpc/status.ts',
      'http2/peer-of.ts',
      'retrieval/vector-result.ts',
    ],
    mayForTypes: [
      'auth/audit-record.ts',
      'config/config.ts',
      'port/connection-router.ts',
      'call/request-trace.ts',
      'grpc/load-reports.ts',
      'grpc/server-call.ts',
      'http2/http2-engine.ts',
      'online-store/online-store.ts',
      'registry/registry-model.ts',
      'retrieval/on-demand-plan.ts',
      'retrieval/retrieved-features.ts',
      'tls/handshake-failure.ts',
    ],
    packages: [
      '@bufbuild/protobuf',
      '@grpc/grpc-js',
      '@opentelemetry/api',
      '@opentelemetry/otlp-exporter-base',
      '@opentelemetry/otlp-transformer',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace',
      'pino',
      'prom-client',
      'node:fs',
      'node:buffer',
      'node:http',
      'node:net',
      'node:os',
      'node:perf_hooks',
      'node:timers/promises',
    ],
  },
};

/** One import (or re-export) of a file. */
interface Import {
  /** Path from `src/` of the importing file, with `/`. */
  readonly from: string;
  /** Path from `src/` of what is imported, or the package. */
  readonly target: string;
  readonly isPackage: boolean;
  readonly typesOnly: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll('\\', '/'))
  .sort();
const textOf = new Map(files.map((file) => [file, readFileSync(join(SRC, file), 'utf8')]));
const imports = files.flatMap((file) => importsOf(file));

function importsOf(file: string): Import[] {
  const text = textOf.get(file) ?? '';
  const found: Import[] = [];
  const add = (specifier: string, typesOnly: boolean): void => {
    const isPackage = !specifier.startsWith('.');
    found.push({
      from: file,
      target: isPackage ? packageOf(specifier) : resolveFrom(file, specifier),
      isPackage,
      typesOnly,
    });
  };
  for (const match of text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)';/gm,
  )) {
    add(match[2] ?? '', match[1] !== undefined || onlyTypesInBraces(match[0]));
  }
  for (const match of text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)) add(match[1] ?? '', false);
  return found;
}

/** `import { type A, type B } from …` is an import of types too. */
function onlyTypesInBraces(statement: string): boolean {
  const names = /^import\s*\{([^}]*)\}/.exec(statement)?.[1];
  if (names === undefined) return false;
  const parts = names.split(',').map((name) => name.trim());
  return parts.filter((name) => name !== '').every((name) => name.startsWith('type '));
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function resolveFrom(file: string, specifier: string): string {
  const path = relative(SRC, normalize(join(SRC, dirname(file), specifier))).replaceAll('\\', '/');
  return path.startsWith('../gen/') ? path.replace('../', '') : path;
}

function folderOf(path: string): string {
  const at = path.indexOf('/');
  return at < 0 ? '.' : path.slice(0, at);
}

function allows(list: readonly string[], target: string): boolean {
  return list.includes('*') || list.includes(target) || list.includes(folderOf(target));
}

function isForbidden({ from, target, isPackage, typesOnly }: Import): boolean {
  const folder = folderOf(from);
  const rule = RULES[folder];
  if (rule === undefined) return true;
  if (isPackage) return !allows(rule.packages, target);
  if (folder !== '.' && folderOf(target) === folder) return false;
  if (allows(rule.may, target)) return false;
  return !(typesOnly && allows(rule.mayForTypes ?? [], target));
}

/** The files of the first cycle that run-time imports form, or nothing. */
function findCycle(): readonly string[] {
  const next = new Map<string, string[]>();
  for (const { from, target, isPackage, typesOnly } of imports) {
    if (!isPackage && !typesOnly) next.set(from, [...(next.get(from) ?? []), target]);
  }
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): readonly string[] => {
    const seenAt = path.indexOf(file);
    if (seenAt >= 0) return [...path.slice(seenAt), file];
    if (done.has(file)) return [];
    for (const target of next.get(file) ?? []) {
      const cycle = visit(target, [...path, file]);
      if (cycle.length > 0) return cycle;
    }
    done.add(file);
    return [];
  };
  for (const file of files) {
    const cycle = visit(file, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

/** Where a pattern occurs outside comments, as `file:line`. */
function placesOf(pattern: RegExp, within: (file: string) => boolean): string[] {
  return files.filter(within).flatMap((file) =>
    (textOf.get(file) ?? '')
      .split('\n')
      .map((line, index) => ({ line, place: `${file}:${index + 1}` }))
      .filter(({ line }) => !/^\s*(\/\/|\/?\*)/.test(line) && pattern.test(line))
      .map(({ place }) => place),
  );
}

describe('folders of src/', () => {
  test('the parser of imports sees them all', () => {
    const text = [...textOf.values()].join('\n');
    const total = text.match(/^(import|export|\}) .*\bfrom '|\bimport\(\s*'|^import '/gm)?.length;
    expect(imports.length).toBe(total);
  });

  test('are flat and known', () => {
    expect(files.filter((file) => file.split('/').length > 2)).toEqual([]);
    expect([...new Set(files.map(folderOf))].filter((folder) => !(folder in RULES))).toEqual([]);
  });

  test.each(Object.keys(RULES))('%s imports what the table allows', (folder) => {
    const forbidden = imports
      .filter((found) => folderOf(found.from) === folder && isForbidden(found))
      .map(({ from, target, typesOnly }) => `${from} -> ${target}${typesOnly ? ' (types)' : ''}`);
    expect(forbidden).toEqual([]);
  });

  test('do not import in circles', () => {
    expect(findCycle()).toEqual([]);
  });

  test('name built-in modules with node:', () => {
    const bare = imports.filter(
      ({ target }) => builtinModules.includes(target) && !target.startsWith('node:'),
    );
    expect(bare.map(({ from, target }) => `${from} -> ${target}`)).toEqual([]);
  });

  test('the program and the server compose; nothing below imports them', () => {
    const upwards = imports.filter(
      ({ from, target }) =>
        !['.', 'cli'].includes(folderOf(from)) && ['server.ts', 'main.ts'].includes(target),
    );
    expect(upwards.map(({ from, target }) => `${from} -> ${target}`)).toEqual([]);
  });
});

describe('files of src/', () => {
  test(`have at most ${MAX_FILE_LINES} lines`, () => {
    const long = files
      .map((file) => `${(textOf.get(file) ?? '').trimEnd().split('\n').length} ${file}`)
      .filter((entry) => Number.parseInt(entry, 10) > MAX_FILE_LINES);
    expect(long).toEqual([]);
  });

  test('are no barrels, and say what they hold', () => {
    const vague = /^(index|utils?|helpers?|common|misc|types)\.ts$/;
    expect(files.filter((file) => vague.test(basename(file)))).toEqual([]);
    expect(placesOf(/^export .*\bfrom '/, (file) => file !== PACKAGE_ENTRY)).toEqual([]);
  });

  test('are named in kebab-case', () => {
    expect(
      files.filter((file) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.ts$/.test(basename(file))),
    ).toEqual([]);
  });

  test('leave the environment to config/', () => {
    expect(placesOf(/\bprocess\.env\b/, (file) => folderOf(file) !== 'config')).toEqual([]);
  });

  test('load the libraries of registries and servers elsewhere only when one is configured', () => {
    const origins =
      /\bfrom '.*\/((s3|gcs|azure|remote|sql)-origin|(postgres|mysql)-registry|transformation-client|otlp-tracing)\.ts'/;
    expect(placesOf(origins, () => true)).toEqual([]);
  });

  test('print nothing outside the command line', () => {
    const library = (file: string): boolean => !['cli', '.'].includes(folderOf(file));
    expect(placesOf(/\bconsole\.\w+\(|\bprocess\.std(out|err)\b/, library)).toEqual([]);
  });

  test('end the process nowhere but in main.ts and the commands', () => {
    const library = (file: string): boolean => file !== 'main.ts' && folderOf(file) !== 'cli';
    expect(placesOf(/\bprocess\.exit\(/, library)).toEqual([]);
  });
});
