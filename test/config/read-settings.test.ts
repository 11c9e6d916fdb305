import { describe, expect, test } from 'vitest';
import { createProblemList } from '../../src/config/configuration-error.ts';
import { readSettings, type SettingSources } from '../../src/config/read-settings.ts';
import { settingFlags, settingOverrides } from '../../src/config/setting-flags.ts';
import type { Setting, SettingKind } from '../../src/config/setting.ts';
import { SETTINGS, settingFlag, settingVariable } from '../../src/config/settings.ts';
import { loadYaml, mistakesOf } from './repository.ts';

/** Three different values for a setting, as text, and what they become. */
function samplesOf(kind: SettingKind): readonly (readonly [string, unknown])[] {
  switch (kind.type) {
    case 'integer':
      return [0, 1, 2].map((i) => {
        const value = Math.min(1001, kind.max - 2) + i;
        return [String(value), value];
      });
    case 'bytes':
      return [
        [String(kind.min), kind.min],
        ['100 KiB', 102_400],
        ['3MiB', 3_145_728],
      ];
    case 'boolean':
      return [
        ['yes', true],
        ['false', false],
        ['1', true],
      ];
    case 'choice':
      return [0, 1, 0].map((at) => [kind.choices[at]!, kind.choices[at]]);
    case 'utc_offset':
      return [
        ['+02:00', 7200],
        ['-0330', -12_600],
        ['Z', 0],
      ];
    case 'list':
      return [
        ['one', ['one']],
        ['one, two,', ['one', 'two']],
        [' three ', ['three']],
      ];
    case 'ratio':
      return [
        ['0.25', 0.25],
        ['1', 1],
        ['0', 0],
      ];
    case 'file_mode':
      return [
        ['0600', 0o600],
        ['660', 0o660],
        ['0777', 0o777],
      ];
    case 'workers':
      return [
        ['auto', 0],
        ['2', 2],
        ['-1', 0],
      ];
    case 'text':
    case 'secret':
    case 'file':
      return ['one', 'two', 'three'].map((value) => [value, value]);
  }
}

function read(sources: Partial<SettingSources>) {
  const problems = createProblemList((path) => path.join('.'));
  const { values } = readSettings(
    { block: undefined, env: {}, overrides: {}, ...sources },
    problems,
  );
  return { values: values as Readonly<Record<string, unknown>>, ...problems };
}

describe.each(SETTINGS.map((setting: Setting) => [setting.name, setting] as const))(
  'setting %s',
  (name, setting) => {
    const samples = samplesOf(setting.kind);
    const [[inBlock, blockValue], [inVariable, variableValue], [inFlag, flagValue]] = samples as [
      (typeof samples)[0],
      (typeof samples)[0],
      (typeof samples)[0],
    ];
    const block = { [name]: inBlock };
    const env = { [settingVariable(name)]: inVariable };
    const attribute = settingFlags().find((flag) => flag.name === name)!.attribute;
    const overrides = settingOverrides({ [attribute]: inFlag });

    test('is a key of the block, a variable and a flag, the last given winning', () => {
      expect(read({ block }).values[name]).toEqual(blockValue);
      expect(read({ block, env }).values[name]).toEqual(variableValue);
      expect(read({ block, env, overrides }).values[name]).toEqual(flagValue);
      expect(read({ block, env, overrides }).problems).toEqual([]);
    });

    test('is its default when nobody gives it, or an empty variable does', () => {
      const { values, problems } = read({ env: { [settingVariable(name)]: '' }, block: null });
      const whenRead: Partial<Record<SettingKind['type'], unknown>> = {
        utc_offset: 0,
        list: [],
        file_mode: 0o600,
      };
      const expected = whenRead[setting.kind.type] ?? setting.default;
      expect(values[name]).toEqual(expected);
      expect(problems).toEqual([]);
    });

    test('is documented, and its flag says what it takes', () => {
      expect(setting.doc).toMatch(/\.$/);
      const flag = settingFlags().find((each) => each.name === name)!;
      expect(flag.flags.startsWith(`${settingFlag(name)} `)).toBe(true);
      expect(flag.description).toContain(settingVariable(name));
    });
  },
);

test('a wrong value is reported where it was given, even when a stronger one hides it', () => {
  const { problems } = read({
    block: { max_rows: 0 },
    env: { SIDEBOARD_MAX_ROWS: 'many' },
    overrides: { max_rows: '-5' },
  });
  const message = 'must be a whole number, 1 or more';
  expect(problems).toEqual([
    { where: 'sideboard.max_rows', message: `sideboard.max_rows ${message}` },
    { where: 'SIDEBOARD_MAX_ROWS', message },
    { where: '--max-rows', message },
  ]);
});

test('no message repeats a value, which may be a secret', () => {
  const secret = 'hunter2hunter2';
  for (const { name, kind } of SETTINGS as readonly Setting[]) {
    if (['text', 'secret', 'file', 'list'].includes(kind.type)) continue;
    const { problems } = read({
      block: { [name]: secret },
      env: { [settingVariable(name)]: secret },
      overrides: { [name]: secret },
    });
    expect(problems).toHaveLength(3);
    expect(JSON.stringify(problems)).not.toContain(secret);
  }
});

describe('variables', () => {
  test('that are nearly a setting are mistakes, others of the prefix are not', () => {
    const { problems, warnings } = read({
      env: { SIDEBOARD_MAX_ROW: '1', SIDEBOARD_IMAGE_TAG: 'v1', OTHER_PORT: '1', SIDEBOARD_: 'x' },
    });
    expect(problems).toEqual([
      {
        where: 'SIDEBOARD_MAX_ROW',
        message: 'unknown setting; did you mean SIDEBOARD_MAX_ROWS?',
      },
    ]);
    expect(warnings).toEqual(['SIDEBOARD_IMAGE_TAG is no setting and was ignored']);
  });

  test('that Kubernetes sets for services of these names are no settings', () => {
    const { values, problems, warnings } = read({
      env: {
        SIDEBOARD_PORT: 'tcp://10.0.0.7:6566',
        SIDEBOARD_ADMIN_PORT: 'tcp://10.0.0.7:6567',
        SIDEBOARD_SERVICE_HOST: '10.0.0.7',
        SIDEBOARD_SERVICE_PORT_GRPC: '6566',
        SIDEBOARD_PORT_6566_TCP_ADDR: '10.0.0.7',
      },
    });
    expect(values).toMatchObject({ port: 6566, admin_port: 6567 });
    expect([...problems, ...warnings]).toEqual([]);
  });
});

describe('in a whole configuration', () => {
  test('flags, variables and the block come together', () => {
    const yaml = 'project: rides\nsideboard: {max_rows: 5, max_features: 6, port: 1}\n';
    const config = loadYaml(yaml, {
      env: { SIDEBOARD_MAX_FEATURES: '7', SIDEBOARD_PORT: '2' },
      overrides: { port: '3', online_ttl: undefined },
    });
    expect(config.limits).toMatchObject({ maxRows: 5, maxFeatures: 7, maxCells: 2_000_000 });
    expect(config.server.port).toBe(3);
    expect(config.semantics.onlineTtl).toBe('protocol');
  });

  test('mistakes of all of them are listed together', () => {
    const yaml = 'project: rides\nsideboard: {max_rows: x}\n';
    expect(
      mistakesOf(() =>
        loadYaml(yaml, { env: { SIDEBOARD_PORT: 'x' }, overrides: { max_cells: 'x' } }),
      ),
    ).toEqual([
      'SIDEBOARD_PORT: must be a whole number from 0 to 65535',
      'feature_store.yaml:2: sideboard.max_rows must be a whole number, 1 or more',
      '--max-cells: must be a whole number, 1 or more',
    ]);
  });

  test("Redis' own options give way to what is set here", () => {
    const yaml = `project: rides
online_store:
  type: redis
  connection_string: h:1,password=weak,username=u,socket_timeout=1.5,socket_connect_timeout=3
`;
    const plain = loadYaml(yaml).onlineStore;
    expect(plain).toMatchObject({
      username: 'u',
      password: 'weak',
      commandTimeoutMs: 1500,
      connectTimeoutMs: 3000,
    });
    const env = { SIDEBOARD_REDIS_PASSWORD: 'str,ong', SIDEBOARD_REDIS_COMMAND_TIMEOUT_MS: '250' };
    expect(loadYaml(yaml, { env }).onlineStore).toMatchObject({
      username: 'u',
      password: 'str,ong',
      commandTimeoutMs: 250,
      connectTimeoutMs: 3000,
    });
  });
});

test('a list may be a list, and a file mode is never a number that YAML made of it', () => {
  expect(read({ block: { tls_client_names: ['a', 'b'] } }).values['tls_client_names']).toEqual([
    'a',
    'b',
  ]);
  expect(read({ block: { tls_client_names: ['a', 7] } }).problems).toHaveLength(1);
  for (const mode of [660, 0o660, '0888', '1777', '77']) {
    expect(read({ block: { unix_socket_mode: mode } }).problems).toHaveLength(1);
  }
});
