import { isSideboardError } from '../errors.ts';
import { errorPlace } from './error-place.ts';

/** Why a repository does not have the function of a view as it was applied; `undefined` = it has. */
export function functionProblem(
  hashes: ReadonlyMap<string, string>,
  wanted: {
    readonly viewName: string;
    readonly functionHash?: string | undefined;
    readonly repoPath: string;
  },
): string | undefined {
  const { viewName, functionHash, repoPath } = wanted;
  const found = hashes.get(viewName);
  if (found === functionHash) return undefined;
  return found === undefined
    ? `${repoPath} has no function of it: bring the files there up to date, or name another folder in feature_repository`
    : `its function in ${repoPath} is not the one that was applied: run "sideboard apply" there, or bring the files here up to date`;
}

/** What is wrong with definitions may be said as it is; other errors of somebody's files may hold anything. */
export function loadProblem(error: Error, repoPath: string): string {
  const why = isSideboardError(error) ? error.message : errorPlace(error, repoPath);
  return `the feature repository ${repoPath} cannot be loaded (${why}): mend it, or name another one in feature_repository`;
}
