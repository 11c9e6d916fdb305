import { SideboardError } from '../errors.ts';

/** Keys that lead from the top of the YAML document to what a problem is about. */
export type YamlPath = readonly (string | number)[];

/** One thing that is wrong with the configuration. */
export interface ConfigurationProblem {
  /** `file:line`, a variable or a flag; '' where there is no such place. */
  readonly where: string;
  /** What is wrong and what to do, without the value: it may be a secret. */
  readonly message: string;
}

/** Gathers problems, so that one start shows all of them. */
export interface ProblemList {
  readonly problems: ConfigurationProblem[];
  readonly warnings: string[];
  /** Adds a problem of the YAML text at the key that `path` names, or at the nearest key above it that exists. */
  addAt(path: YamlPath, message: string): void;
  /** Adds a problem of something else, such as a variable. */
  addFrom(where: string, message: string): void;
  warnAt(path: YamlPath, message: string): void;
}

/** An empty list; `locate` turns a path of the YAML text into `file:line`. */
export function createProblemList(locate: (path: YamlPath) => string): ProblemList {
  const problems: ConfigurationProblem[] = [];
  const warnings: string[] = [];
  return {
    problems,
    warnings,
    addAt: (path, message) => problems.push({ where: locate(path), message }),
    addFrom: (where, message) => problems.push({ where, message }),
    warnAt: (path, message) => warnings.push(`${locate(path)}: ${message}`),
  };
}

/** INVALID_CONFIGURATION that lists every problem on a line of its own, in the order of the text. */
export function invalidConfiguration(problems: readonly ConfigurationProblem[]): SideboardError {
  const lines = problems.map(({ where, message }) =>
    where === '' ? message : `${where}: ${message}`,
  );
  const head =
    lines.length === 1
      ? 'the configuration is wrong:'
      : `the configuration has ${lines.length} mistakes:`;
  return new SideboardError(
    'INVALID_CONFIGURATION',
    [head, ...lines.map((line) => `  ${line}`)].join('\n'),
  );
}
