/** Environment variables as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Replaces `$NAME` and `${NAME}` by the variable's value, as Python's `os.path.expandvars` does and Feast therefore does
 * with the text of `feature_store.yaml`: what is not defined stays as it is written, there are no defaults, values are not
 * expanded again.
 */
export function expandEnvironment(text: string, env: Environment): string {
  return text.replaceAll(/\$(?:\{([^}]*)\}|(\w+))/g, (written, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? '';
    return (Object.hasOwn(env, name) ? env[name] : undefined) ?? written;
  });
}
