import { invalidFeatureReference } from './retrieval-errors.ts';

/** A feature reference taken apart. */
export interface FeatureReference {
  readonly viewName: string;
  /** Pinned version number; `undefined` = the current one. */
  readonly version: number | undefined;
  readonly featureName: string;
}

const PINNED_VERSION = /^v(\d+)$/i;

/**
 * Takes `view:feature`, `view@v2:feature` or `view@latest:feature` apart at the first colon. A suffix that is no version
 * (`@x`, `@2`, `@version1`) belongs to the name of the view; an empty one means the current version.
 *
 * @throws SideboardError INVALID_FEATURE_REFERENCE where there is no colon
 */
export function parseFeatureReference(reference: string): FeatureReference {
  const colon = reference.indexOf(':');
  if (colon < 0) throw invalidFeatureReference(reference);
  const view = reference.slice(0, colon);
  const featureName = reference.slice(colon + 1);
  const at = view.lastIndexOf('@');
  if (at < 0) return { viewName: view, version: undefined, featureName };
  const suffix = view.slice(at + 1);
  if (suffix === '' || suffix.toLowerCase() === 'latest') {
    return { viewName: view.slice(0, at), version: undefined, featureName };
  }
  const pinned = PINNED_VERSION.exec(suffix);
  if (pinned === null) return { viewName: view, version: undefined, featureName };
  return { viewName: view.slice(0, at), version: Number(pinned[1]), featureName };
}
