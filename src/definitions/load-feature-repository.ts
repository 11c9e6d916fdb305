import { readdir, realpath } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isSideboardError } from '../errors.ts';
import {
  collectDefinitions,
  type DefinitionSet,
  type FoundDefinition,
} from './collect-definitions.ts';
import { invalidDefinition } from './definition-error.ts';
import { isDefinition } from './definition.ts';
import { hashModules } from './hash-modules.ts';
import { loadIgnoredFiles } from './ignored-files.ts';

/** What a feature repository imports to define its objects. */
const PACKAGE_NAME = 'sideboard';

/** Folders deeper than this under a repository are taken for a mistake, such as a link to its own parent. */
const MAX_DEPTH = 16;

/** File → files of the same repository that it imports, as URLs: seen when a file is imported for the first time. */
const importsOf = new Map<string, Set<string>>();

/** A feature repository as its files define it. */
export interface FeatureRepository {
  readonly definitions: DefinitionSet;
  /** Files that were imported, relative to the repository, sorted. */
  readonly files: readonly string[];
}

/**
 * Imports every TypeScript file of a feature repository and gathers the definitions that they export. Left out are hidden
 * folders, `node_modules`, tests, declarations and what `.feastignore` names. `import … from 'sideboard'` inside it means
 * this very program, installed there or not. Files are imported once per process: a change on disk shows in the next one.
 *
 * @param repoPath absolute
 * @throws SideboardError INVALID_DEFINITION when a file cannot be imported, nothing is defined, or a definition is wrong
 */
export async function loadFeatureRepository(repoPath: string): Promise<FeatureRepository> {
  // Modules are known by their real paths.
  const root = await realpath(repoPath);
  const isIgnored = await loadIgnoredFiles(root);
  const files = (await listFiles(root, 0))
    .map((file) => relative(root, file))
    .filter((file) => !isIgnored(file))
    .toSorted();
  const hooks = resolveOwnPackage(root);
  const found: FoundDefinition[] = [];
  try {
    for (const file of files) {
      const exports = await importFile(root, file);
      for (const value of Object.values(exports)) {
        if (isDefinition(value)) found.push({ definition: value, place: file });
      }
    }
  } finally {
    hooks.deregister();
  }
  if (found.length === 0) {
    throw invalidDefinition(
      `feature repository ${repoPath}`,
      files.length === 0
        ? 'it has no TypeScript files to import'
        : 'its files export no definitions',
      "export what defineEntity(), defineFeatureView() and the like return, as in `import { defineEntity } from 'sideboard'`",
    );
  }
  const definitions = collectDefinitions(found, (file) => hashModules(root, file, importsOf));
  return { definitions, files };
}

async function listFiles(folder: string, depth: number): Promise<readonly string[]> {
  if (depth > MAX_DEPTH) return [];
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    if (entry.isDirectory()) found.push(...(await listFiles(path, depth + 1)));
    else if (isSource(entry.name)) found.push(path);
  }
  return found;
}

function isSource(name: string): boolean {
  return /\.m?ts$/.test(name) && !/\.(d|test|spec)\.m?ts$/.test(name);
}

async function importFile(repoPath: string, file: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(join(repoPath, file)).href)) as Record<string, unknown>;
  } catch (error) {
    if (isSideboardError(error)) throw error;
    throw invalidDefinition(
      `feature repository file ${file}`,
      `it cannot be imported (${error instanceof Error ? error.message : String(error)})`,
      'mend it, or name it in .feastignore if it defines nothing',
    );
  }
}

/**
 * Makes `sideboard` mean this program for every file under `repoPath`, whatever is or is not installed there, and takes
 * its TypeScript for modules whether or not a `package.json` says so.
 */
function resolveOwnPackage(repoPath: string): { deregister(): void } {
  // Sources in a checkout, JavaScript in the built package.
  const entry = new URL(`./sideboard${extname(fileURLToPath(import.meta.url))}`, import.meta.url);
  const prefix = pathToFileURL(repoPath + sep).href;
  return registerHooks({
    resolve(specifier, context, nextResolve) {
      const isInside = context.parentURL?.startsWith(prefix) === true;
      if (isInside && specifier === PACKAGE_NAME) return { url: entry.href, shortCircuit: true };
      const resolved = nextResolve(specifier, context);
      if (isInside && resolved.url.startsWith(prefix)) noteImport(context.parentURL!, resolved.url);
      const isDefinitions = resolved.url.startsWith(prefix) && isSource(resolved.url);
      return isDefinitions ? { ...resolved, format: 'module-typescript' } : resolved;
    },
  });
}

function noteImport(from: string, to: string): void {
  const imports = importsOf.get(from);
  if (imports === undefined) importsOf.set(from, new Set([to]));
  else imports.add(to);
}
