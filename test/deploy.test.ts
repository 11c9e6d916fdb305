import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../src/config/load-config.ts';

const ROOT = join(import.meta.dirname, '..');
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');

interface Service {
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly volumes?: readonly string[];
}
const compose = parse(readFileSync(join(ROOT, 'deploy/compose.yaml'), 'utf8'), {
  merge: true,
}) as { services: Record<string, Service>; volumes: Record<string, unknown> };

describe('deploy/', () => {
  test('configures the server for the cluster that compose.yaml starts', () => {
    const config = loadConfig({ repoPath: join(ROOT, 'deploy'), env: {} });
    expect(config.server).toMatchObject({ host: '0.0.0.0', port: 6566, adminPort: 6567 });
    expect(config.onlineStore).toMatchObject({ kind: 'redis_cluster' });
    const nodes = config.onlineStore.kind === 'sqlite' ? [] : config.onlineStore.nodes;
    expect(nodes.map(({ host }) => host)).toEqual(['redis-1', 'redis-2', 'redis-3']);
    for (const { host } of nodes) expect(compose.services).toHaveProperty(host);
  });

  test('compose.yaml names only services and volumes that it has', () => {
    const services = Object.values(compose.services);
    expect(services.length).toBeGreaterThanOrEqual(6);
    for (const { depends_on: wanted = {}, volumes = [] } of services) {
      for (const name of Object.keys(wanted)) expect(compose.services).toHaveProperty(name);
      for (const volume of volumes) {
        const source = volume.split(':')[0] ?? '';
        if (source.startsWith('.')) expect(existsSync(join(ROOT, 'deploy', source))).toBe(true);
        else expect(compose.volumes).toHaveProperty(source);
      }
    }
  });

  test('the image copies what exists and what .dockerignore lets through', () => {
    const admitted = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
      (match[1] ?? '').split(' '),
    );
    expect(copied.length).toBeGreaterThan(8);
    for (const name of copied) {
      expect(existsSync(join(ROOT, name)), name).toBe(true);
      expect(admitted, name).toContain(name);
    }
  });

  test('the image gives Node the flags that the command has', () => {
    const main = readFileSync(join(ROOT, 'src/main.ts'), 'utf8').split('\n', 1)[0]!;
    const flags = main.split(' ').filter((word) => word.startsWith('--'));
    expect(flags.length).toBeGreaterThan(1);
    const entry = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(dockerfile)![1]!) as string[];
    expect(entry.slice(1, -1)).toEqual(flags);
  });

  test('the image runs what the build emits', () => {
    const bundle = readFileSync(join(ROOT, 'rolldown.config.ts'), 'utf8');
    const [, folder] = /\bdir: '(\w+)'/.exec(bundle)!;
    expect(dockerfile).toContain(`COPY --from=build /app/${folder} ${folder}\n`);
    expect(dockerfile).toContain(`/app/${folder}/main.js`);
    expect(dockerfile).toMatch(/^USER node$/m);
  });
});
