#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=4 --no-allocation-site-pretenuring --no-maglev --v8-pool-size=1
// A small young generation, MiB: V8's own limit of three times 32 costs memory and, as requests leave little garbage, saves no CPU.
// One helper of V8: four would take turns on the core that a server has (docs/adr/0007-small-young-generation.md).
import { join } from 'node:path';
import { keepCompiled } from './config/keep-compiled.ts';

keepCompiled(join(import.meta.dirname, '..', 'node_modules', '.cache', 'sideboard'));

const { createProgram } = await import('./cli/program.ts');
const { reportFailure } = await import('./cli/report-failure.ts');
try {
  await createProgram().parseAsync();
} catch (error) {
  reportFailure(error);
}
