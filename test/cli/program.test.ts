import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';

/** Commands that do something, with the words that call them. */
function leavesOf(command: Command, words: readonly string[] = []): [string, Command][] {
  if (command.commands.length === 0) return [[words.join(' '), command]];
  return command.commands.flatMap((child) => leavesOf(child, [...words, child.name()]));
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

const leaves = leavesOf(createProgram());

test("Feast's verbs are here", () => {
  expect(leaves.map(([words]) => words)).toEqual(
    expect.arrayContaining([
      'serve',
      'apply',
      'plan',
      'materialize',
      'materialize-incremental',
      'entities list',
      'feature-views list',
      'feature-services list',
    ]),
  );
});

describe.each(leaves)('sideboard %s --help', (words, command) => {
  const help = helpOf(command);

  test('says what the command does and how it ends', () => {
    expect(command.description().length).toBeGreaterThan(30);
    // Lines are broken to the width of the terminal, once.
    expect(command.description()).not.toContain('\n');
    expect(help).toMatch(/^Exit codes: 0 /m);
  });

  test('has a form for programs', () => {
    expect(help.includes('--json')).toBe(words !== 'serve');
  });
});

test.each([
  ['serve', ['-h, --host <text>', '-p, --port <number>', '--max-rows <number>']],
  ['materialize', ['-v, --views <view>', '--disable-event-timestamp']],
  ['materialize-incremental', ['-v, --views <view>']],
])("%s takes Feast's flags", (words, flags) => {
  const command = leaves.find(([name]) => name === words)![1];
  expect(command.options.map((option) => option.flags)).toEqual(expect.arrayContaining(flags));
});

test('the overview teaches the usual way and the exit codes', () => {
  const help = helpOf(createProgram());
  for (const [words] of leaves) expect(help).toContain(words.split(' ')[0]);
  expect(help).toMatch(/The usual way:\n {2}\$ sideboard -c my_repo plan/);
  expect(help).toMatch(/Exit codes: 0 done; 1 it failed; 2 what it was given is wrong/);
});
