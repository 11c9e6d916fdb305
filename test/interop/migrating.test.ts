import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { feastPython, interopPath, pythonEnvironment, pythonProgram } from '../support/python.ts';
import { freePort } from '../support/redis-server.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MARK = '=== block';
const PATIENCE_MS = 550_000;

/** Text of the fenced blocks of a kind. */
function blocksOf(page: string, kind: string): readonly string[] {
  return [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, language, text = '']) =>
    language === kind ? [text] : [],
  );
}

/** The page as a reader follows it: its commands, one after the other, in an empty folder with the real Feast. */
describe('docs/migrating-from-feast.md', () => {
  let folder: string;
  let page: string;
  /** What each block of commands printed. */
  let printed: readonly string[];
  let titles: readonly string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sideboard-migrating-'));
    page = await readFile(join(ROOT, 'docs', 'migrating-from-feast.md'), 'utf8');
    const blocks = blocksOf(page, 'sh');
    titles = blocks.map((block) => block.split('\n', 1)[0]!);
    let script = blocks.map((block, i) => `echo '${MARK} ${i}'\n${block}`).join('\n');
    for (const port of ['6566', '6576', '6577', '6569']) {
      script = script.replaceAll(port, String(await freePort()));
    }
    const output = await runScript(script);
    printed = output
      .split(new RegExp(`^${MARK} \\d+$`, 'm'))
      .slice(1)
      .map((text) => text.trim());
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** @throws Error with what it printed when a command fails */
  async function runScript(script: string): Promise<string> {
    const bin = join(folder, 'bin');
    const cwd = join(folder, 'reader');
    await mkdir(bin);
    await mkdir(cwd);
    const commands: readonly (readonly [string, readonly string[]])[] = [
      ['feast', pythonProgram('feast')],
      ['python3', [feastPython()]],
      ['sideboard', [join(ROOT, 'src', 'main.ts')]],
    ];
    for (const [name, command] of commands) {
      await writeFile(join(bin, name), `#!/bin/sh\nexec '${command.join("' '")}' "$@"\n`);
      await chmod(join(bin, name), 0o755);
    }
    const path = [bin, dirname(interopPath('bin/grpcurl')), join(ROOT, 'node_modules', '.bin')];
    const child = spawn('bash', ['-euo', 'pipefail'], {
      cwd,
      env: {
        ...pythonEnvironment(),
        PATH: [...path, process.env['PATH']].join(delimiter),
        NO_COLOR: '1',
        SIDEBOARD_LOG_LEVEL: 'warn',
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.stdin.end(script);
    // Its servers too.
    const killAll = (): void => {
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // All have ended.
      }
    };
    const late = setTimeout(killAll, PATIENCE_MS);
    process.once('exit', killAll);
    const code = await new Promise((resolve) => child.once('exit', resolve));
    killAll();
    clearTimeout(late);
    process.off('exit', killAll);
    if (code !== 0) throw new Error(`the page ended with ${String(code)}:\n${output}\n${errors}`);
    return output;
  }

  /** What the block that begins so printed. */
  function outputOf(beginning: string): string {
    const at = titles.findIndex((title) => title.startsWith(beginning));
    return printed[at]!;
  }

  test('makes a repository that is found to be in order', () => {
    expect(printed).toHaveLength(titles.length);
    const report = outputOf('sideboard -c my_project/feature_repo check');
    expect(report).toContain('project my_project');
    expect(report).not.toMatch(/error/i);
  });

  test('gets the same answers from both servers', () => {
    const answer = outputOf('cat > columns.py');
    expect(answer.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'avg_daily_trips',
      'conv_rate',
      'driver_config',
      'driver_id',
    ]);
    expect(answer).toMatch(
      /conv_rate \[0\.\d+, 0\.\d+, 0\.\d+, None\] .*'PRESENT', 'PRESENT', 'PRESENT', 'NOT_FOUND'/,
    );
    expect(outputOf('feast -c my_project/feature_repo serve_transformations')).toMatch(
      /conv_rate_plus_val1 \[1000\.\d+\] \['PRESENT'\]/,
    );
  });

  test('reads by the SDK and by gRPC', () => {
    expect(outputOf('mkdir -p client')).toMatch(/'driver_id': \[1001\]/);
    expect(outputOf('grpcurl').match(/"floatVal": 0\.\d+/g)).toHaveLength(2);
  });

  test('has what was pushed read by Feast, and keeps it on the way there and back', () => {
    const seven = /avg_daily_trips \[7\] \['PRESENT'\]/;
    expect(outputOf('now=')).toMatch(seven);
    expect(outputOf('kill $feast_server $sideboard_server')).toMatch(/\b7\b/);
    expect(outputOf('kill $sideboard_server; wait')).toMatch(seven);
  });

  test('configures containers by what there is', async () => {
    const [compose, pod] = blocksOf(page, 'yaml').map((text) => parse(text) as unknown);
    const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
    expect(dockerfile).toContain('WORKDIR /repo');
    expect(dockerfile).toContain('EXPOSE 6566 6567');
    expect(compose).toMatchObject({
      services: {
        features: { ports: ['6566:6566', '6567:6567'], volumes: ['./feature_repo:/repo'] },
      },
    });
    expect(pod).toMatchObject({
      containers: [
        {
          ports: [{ containerPort: 6566 }, { name: 'admin', containerPort: 6567 }],
          livenessProbe: { httpGet: { path: '/healthz', port: 'admin' } },
          readinessProbe: { httpGet: { path: '/readyz', port: 'admin' } },
        },
      ],
    });
  });
});
