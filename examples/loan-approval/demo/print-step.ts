import { styleText } from 'node:util';

let stepNumber = 0;

/** Prints a heading, does the work, and says how long it took. */
export async function printStep<T>(title: string, work: () => Promise<T>): Promise<T> {
  stepNumber++;
  const heading = styleText('bold', `${stepNumber}. ${title}`, { stream: process.stdout });
  process.stdout.write(`\n${heading}\n\n`);
  const startedAtMs = performance.now();
  const result = await work();
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  const note = styleText('green', `done in ${seconds} s`, { stream: process.stdout });
  process.stdout.write(`   ${note}\n`);
  return result;
}

/** Prints text, indented below the heading of its step. */
export function say(text: string): void {
  const lines = text.trimEnd().split('\n');
  process.stdout.write(`${lines.map((line) => (line === '' ? '' : `   ${line}`)).join('\n')}\n`);
}
