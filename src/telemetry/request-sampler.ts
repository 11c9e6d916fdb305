import { createContextKey, type Context } from '@opentelemetry/api';
import {
  AlwaysOnSampler,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type Sampler,
} from '@opentelemetry/sdk-trace';
import type { TracingConfig } from '../config/config.ts';

const UNDECIDED = createContextKey('sideboard: the caller left it to us');

/** The context of a caller who names its trace and has not decided whether it is recorded. */
export function leaveUndecided(context: Context): Context {
  return context.setValue(UNDECIDED, true);
}

/** The caller decides where it says so; of the other requests a share is traced. */
export function createRequestSampler({
  ratio,
  followsCaller,
}: Pick<TracingConfig, 'ratio' | 'followsCaller'>): Sampler {
  const root = new TraceIdRatioBasedSampler(ratio);
  const decided = followsCaller
    ? new ParentBasedSampler({ root })
    : new ParentBasedSampler({
        root,
        remoteParentSampled: root,
        remoteParentNotSampled: root,
        localParentSampled: new AlwaysOnSampler(),
      });
  return {
    shouldSample(context, ...rest) {
      const sampler = context.getValue(UNDECIDED) === true ? root : decided;
      return sampler.shouldSample(context, ...rest);
    },
    toString: () => decided.toString(),
  };
}
