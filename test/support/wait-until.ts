/**
 * Polls until `condition` holds; a condition that throws does not hold yet.
 *
 * @throws Error naming `what` after `timeoutMs` (15 s by default), with the last thrown error as its cause.
 */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  options: { readonly what: string; readonly timeoutMs?: number },
): Promise<void> {
  const giveUpAtMs = performance.now() + (options.timeoutMs ?? 15_000);
  let cause: unknown;
  for (;;) {
    try {
      if (await condition()) {
        return;
      }
    } catch (error) {
      cause = error;
    }
    if (performance.now() > giveUpAtMs) {
      throw new Error(`gave up waiting for ${options.what}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
