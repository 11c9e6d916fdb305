import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { invalidConfiguration } from './configuration-error.ts';
import type { Environment } from './expand-environment.ts';

/** The text of a configuration and where it was found. */
export interface ConfigurationText {
  readonly text: string;
  /** What problems of it are reported under: the file as the user would name it, or the variable. */
  readonly label: string;
  /** Absolute; `undefined` when the text came from a variable. */
  readonly configFile: string | undefined;
  /** Absolute directory for relative paths. */
  readonly repoPath: string;
}

/** Where to look. */
export interface ConfigurationPlace {
  /** Directory of the feature repository; the current one by default. */
  readonly repoPath?: string | undefined;
  /** The YAML file; it wins over every variable. */
  readonly configFile?: string | undefined;
}

const FILE_NAME = 'feature_store.yaml';

/**
 * Finds the YAML text: the named file, else `FEATURE_STORE_YAML_BASE64`, else the file that `FEAST_FS_YAML_FILE_PATH`
 * names, else `feature_store.yaml` of the repository. Relative paths inside it belong to the repository's directory, as in
 * Feast; when nobody named that, to the directory of a named file.
 *
 * @throws SideboardError INVALID_CONFIGURATION when there is none, it cannot be read, or it is no base64 or UTF-8
 */
export function findConfiguration(place: ConfigurationPlace, env: Environment): ConfigurationText {
  const repoPath = resolve(place.repoPath ?? '.');
  if (place.configFile !== undefined) {
    const configFile = resolve(place.configFile);
    return readConfigurationFile(
      configFile,
      place.repoPath === undefined ? dirname(configFile) : repoPath,
    );
  }
  const encoded = env['FEATURE_STORE_YAML_BASE64'];
  if (encoded !== undefined && encoded !== '') {
    const label = 'FEATURE_STORE_YAML_BASE64';
    return {
      text: decodeUtf8(decodeBase64(encoded, label), label),
      label,
      configFile: undefined,
      repoPath,
    };
  }
  const named = env['FEAST_FS_YAML_FILE_PATH'];
  if (named !== undefined && named !== '') {
    return readConfigurationFile(resolve(named.replace(/^~(?=\/|$)/, homedir())), repoPath);
  }
  return readConfigurationFile(join(repoPath, FILE_NAME), repoPath);
}

function readConfigurationFile(configFile: string, repoPath: string): ConfigurationText {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(configFile);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const detail =
      code === 'ENOENT'
        ? `no such file; go to a feature repository, name it with -c DIR, or name the file with -f FILE`
        : `cannot be read: ${code}`;
    throw invalidConfiguration([{ where: configFile, message: detail }]);
  }
  return { text: decodeUtf8(bytes, configFile), label: configFile, configFile, repoPath };
}

function decodeBase64(text: string, where: string): Uint8Array {
  const compact = text.replaceAll(/\s/g, '');
  if (!/^[\w+/-]+={0,2}$/.test(compact))
    throw invalidConfiguration([{ where, message: 'is no base64' }]);
  return Buffer.from(compact, 'base64');
}

function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalidConfiguration([{ where, message: 'is no UTF-8 text' }]);
  }
}
