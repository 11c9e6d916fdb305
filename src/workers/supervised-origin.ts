import { SideboardError } from '../errors.ts';
import type { RegistryContent, RegistryOrigin } from '../registry/registry-origin.ts';
import type { RegistryAnswer, RegistryState } from './message.ts';

/** How a worker asks its supervisor for the registry. */
export interface RegistryChannel {
  /** What the supervisor said last. */
  readonly state: RegistryState;
  ask(isFresh: boolean): Promise<RegistryAnswer>;
}

/**
 * The registry as the supervisor read it. Looking costs nothing, since the supervisor tells of every change; reading again
 * what has not changed makes the supervisor look at once.
 */
export async function createSupervisedOrigin(channel: RegistryChannel): Promise<RegistryOrigin> {
  // What it is called is known to the supervisor alone; what comes with it is what is read first.
  let first: RegistryAnswer | undefined = await channel.ask(false);
  const { name } = first;
  let { remedy } = first;
  let readGeneration = -1;
  return {
    name,
    get remedy() {
      return remedy;
    },
    minPollMs: 0,
    identify: () =>
      Promise.resolve(channel.state.isKnown ? String(channel.state.generation) : undefined),
    async read(): Promise<RegistryContent> {
      const isFresh = !channel.state.isKnown || readGeneration === channel.state.generation;
      const answer = first ?? (await channel.ask(isFresh));
      first = undefined;
      ({ remedy } = answer);
      if (answer.bytes === undefined) {
        throw new SideboardError('REGISTRY_UNAVAILABLE', answer.reason);
      }
      readGeneration = answer.generation;
      return { bytes: answer.bytes, identity: String(answer.generation) };
    },
    explain: (error) => ({
      reason: error instanceof Error ? error.message : 'it cannot be read',
    }),
    close: () => Promise.resolve(),
  };
}
