import { choice, count, milliseconds } from './setting.ts';

/** Settings of on-demand views whose functions are in TypeScript. */
export const FUNCTION_SETTINGS = [
  {
    name: 'feature_repository',
    kind: { type: 'file' },
    default: undefined,
    doc: 'Folder whose TypeScript files have the functions of on-demand views; that of `feature_store.yaml` where it is not set.',
  },
  {
    name: 'function_timeout_ms',
    kind: milliseconds(1),
    default: 1000,
    unit: 'ms',
    doc: 'How long the function of an on-demand view in TypeScript may take for one request. One that takes longer is ended, and its request fails.',
  },
  {
    name: 'function_memory_mib',
    kind: count(16),
    default: 256,
    unit: 'MiB',
    doc: 'Heap of the thread that functions in TypeScript run on. One that takes more is ended, and its request fails.',
  },
  {
    name: 'function_errors',
    kind: choice('fail', 'invalid'),
    default: 'fail',
    doc: 'What a function in TypeScript that throws does: fail the request, naming view and row, or mark the outputs of that row INVALID.',
  },
] as const;
