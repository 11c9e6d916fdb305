#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=4
// A small young generation, MiB: V8's own limit of three times 32 costs memory and, as requests leave little garbage, saves no CPU.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// What was compiled once, types stripped, is read the next time: a start takes a third. Where it cannot be written, nothing
// happens.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'sideboard'));

const { createProgram } = await import('./cli/program.ts');
const { reportFailure } = await import('./cli/report-failure.ts');
try {
  await createProgram().parseAsync();
} catch (error) {
  reportFailure(error);
}
