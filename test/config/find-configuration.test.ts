import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expandEnvironment } from '../../src/config/expand-environment.ts';
import { findConfiguration } from '../../src/config/find-configuration.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { makeRepository, mistakesOf } from './repository.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('where the configuration comes from', () => {
  const repoPath = makeRepository('project: of_repository\n');
  const elsewhere = makeRepository('project: of_file\n');
  const configFile = join(elsewhere, 'feature_store.yaml');
  const encoded = { FEATURE_STORE_YAML_BASE64: base64('project: of_base64\n') };
  const named = { FEAST_FS_YAML_FILE_PATH: configFile };

  test.each([
    ['feature_store.yaml of the repository', { repoPath }, {}, 'of_repository', repoPath],
    ['the file that FEAST_FS_YAML_FILE_PATH names', { repoPath }, named, 'of_file', repoPath],
    [
      'FEATURE_STORE_YAML_BASE64, before that',
      { repoPath },
      { ...named, ...encoded },
      'of_base64',
      repoPath,
    ],
    ['a named file, before all', { configFile, repoPath }, encoded, 'of_file', repoPath],
    ['a named file, in its own folder', { configFile }, {}, 'of_file', elsewhere],
    [
      'empty variables are none',
      { repoPath },
      { FEATURE_STORE_YAML_BASE64: '', FEAST_FS_YAML_FILE_PATH: '' },
      'of_repository',
      repoPath,
    ],
  ])('%s', (_, place, env, project, root) => {
    const config = loadConfig({ ...place, env });
    expect(config.project).toBe(project);
    expect(config.registry).toMatchObject({ kind: 'file', path: join(root, 'data/registry.db') });
  });

  test('base64 may be wrapped and URL-safe; its problems are told under its name', () => {
    const text = 'project: "r\u00fcdes?>"\n';
    const wrapped = base64(text)
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replace(/(.{4})/g, '$1\n');
    expect(findConfiguration({ repoPath }, { FEATURE_STORE_YAML_BASE64: wrapped }).text).toBe(text);
    expect(
      mistakesOf(() =>
        loadConfig({ repoPath, env: { FEATURE_STORE_YAML_BASE64: base64('a: 1\nprojet: x') } }),
      ),
    ).toEqual([
      'FEATURE_STORE_YAML_BASE64:1: project is missing; set it to the name that the repository was applied under',
    ]);
  });

  test('the operator is told where relative paths of base64 lead', () => {
    expect(loadConfig({ repoPath, env: encoded }).warnings).toEqual([
      `relative paths of FEATURE_STORE_YAML_BASE64 are resolved against ${repoPath} (Feast: a temporary directory)`,
    ]);
  });

  test.each([
    ['no base64', { FEATURE_STORE_YAML_BASE64: 'project: x' }, /BASE64: is no base64/],
    ['no UTF-8', { FEATURE_STORE_YAML_BASE64: '/////w==' }, /BASE64: is no UTF-8 text/],
    [
      'no such file',
      { FEAST_FS_YAML_FILE_PATH: '/nowhere/f.yaml' },
      /f\.yaml: no such file; go to/,
    ],
    ['a folder', { FEAST_FS_YAML_FILE_PATH: '/' }, /cannot be read: EISDIR/],
  ])('%s is refused', (_, env, message) => {
    expect(() => loadConfig({ repoPath, env })).toThrow(message);
  });

  test('a repository without a file is told what to do', () => {
    const empty = makeRepository('');
    rmSync(join(empty, 'feature_store.yaml'));
    expect(() => loadConfig({ repoPath: empty, env: {} })).toThrow(
      /feature_store\.yaml: no such file; go to a feature repository, name it with -c DIR/,
    );
  });

  test('~ leads home', () => {
    const home = makeRepository('');
    mkdirSync(join(home, 'conf'));
    cpSync(configFile, join(home, 'conf/f.yaml'));
    const before = process.env['HOME'];
    process.env['HOME'] = home;
    try {
      const env = { FEAST_FS_YAML_FILE_PATH: '~/conf/f.yaml' };
      expect(loadConfig({ repoPath, env }).project).toBe('of_file');
    } finally {
      process.env['HOME'] = before;
    }
  });
});

describe('the environment in the text', () => {
  const env = { A: 'one', B_2: '$A', EMPTY: '', 'with space': 's' };

  test.each([
    ['$A', 'one'],
    ['${A}', 'one'],
    ['x$A/y', 'xone/y'],
    ['$A$A${A}', 'oneoneone'],
    ['$AB', '$AB'],
    ['${AB}', '${AB}'],
    ['${A', '${A'],
    ['${A:-two}', '${A:-two}'],
    ['$EMPTY.', '.'],
    ['$B_2', '$A'],
    ['$$A', '$one'],
    ['$', '$'],
    ['${}', '${}'],
    ['$1', '$1'],
    ['${with space}', 's'],
    ['$toString ${constructor}', '$toString ${constructor}'],
  ])('%s becomes %s, as in Python', (written, expanded) => {
    expect(expandEnvironment(written, env)).toBe(expanded);
  });

  test('is put in before the text is parsed, so that it can be anything', () => {
    const repoPath = makeRepository('project: $NAME\nonline_store: ${STORE}\n');
    const config = loadConfig({ repoPath, env: { NAME: 'rides', STORE: '{type: redis}' } });
    expect(config).toMatchObject({ project: 'rides', onlineStore: { kind: 'redis' } });
  });
});
