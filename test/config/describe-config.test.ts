import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeConfig } from '../../src/config/describe-config.ts';
import { loadYaml, makeRepository } from './repository.ts';

test('the description of a configuration tells everything but its secrets', () => {
  const folder = makeRepository('');
  const pem = (name: string): string => {
    const path = join(folder, `${name}.pem`);
    writeFileSync(path, `-----BEGIN X-----\nsecret-of-${name}\n-----END X-----\n`);
    return path;
  };
  const config = loadYaml(
    'project: rides\nonline_store: {type: redis, connection_string: "h:1,username=feast,password=secret-one"}\n',
    {
      env: {
        SIDEBOARD_REDIS_SENTINEL_PASSWORD: 'secret-two',
        SIDEBOARD_REDIS_TLS_CA_FILE: pem('ca'),
        SIDEBOARD_REDIS_TLS_CERT_FILE: pem('cert'),
        SIDEBOARD_REDIS_TLS_KEY_FILE: pem('key'),
      },
    },
  );
  expect(JSON.stringify(config).match(/secret-/g)).toHaveLength(5);
  const described = describeConfig(config);
  expect(JSON.stringify(described)).not.toContain('secret-');
  expect(described).toMatchObject({
    project: 'rides',
    onlineStore: {
      username: 'feast',
      password: '[redacted]',
      sentinelPassword: '[redacted]',
      tls: { ca: '[redacted]', cert: '[redacted]', key: '[redacted]', rejectUnauthorized: true },
    },
    limits: { maxRows: 10_000 },
  });
});
