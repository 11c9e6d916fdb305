import { defineConfig } from 'vitest/config';

/**
 * `unit` is pure: no network, no disk, seconds. `system` starts real Redis processes and real servers on loopback.
 * `interop` drives clients that nobody here wrote (`npm run test:interop`).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{online-store,system,golden,interop}/**'],
          // They take seconds; on a machine that others use as well, more.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/{online-store,system,golden}/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'interop',
          include: ['test/interop/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
    pool: 'forks',
    maxWorkers: 2,
  },
});
