import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { summarizeProfile, type ProfileSummary } from './cpu-profile.ts';
import { measureLoad } from './measure-load.ts';
import type { Scenario } from '../data/scenario.ts';
import { startSideboard } from '../../test/support/sideboard-process.ts';

/** Where the server's own time goes under one scenario. */
export interface ProfileFigures extends ProfileSummary {
  readonly scenario: string;
}

/** What to profile. */
export interface ProfileOptions {
  readonly repoPath: string;
  readonly scenario: Scenario;
  readonly core: number;
  readonly seconds: number;
  readonly entities: number;
}

/** Saturates a server that runs under V8's sampling profiler and summarizes the profile, start and warm-up included. */
export async function measureProfile(options: ProfileOptions): Promise<ProfileFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-profile-'));
  try {
    const server = await startSideboard({
      repoPath: options.repoPath,
      core: options.core,
      nodeArguments: ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${folder}`],
    });
    try {
      await measureLoad(server, options.scenario, { ...options, kind: 'distinct' });
    } finally {
      await server.stop();
    }
    const [file] = await readdir(folder);
    if (file === undefined) throw new Error('node wrote no profile');
    return { scenario: options.scenario.name, ...summarizeProfile(join(folder, file)) };
  } finally {
    await rm(folder, { recursive: true });
  }
}
