import { checkObjectName } from './check-name.ts';
import { invalidDefinition } from './definition-error.ts';
import {
  DEFINITION,
  type FeatureService,
  type FeatureViewData,
  type FeatureViewProjectionData,
  type OnDemandFeatureViewData,
} from './definition.ts';
import { describe, type DescriptionOptions } from './describe.ts';
import { wholeView } from './projection.ts';

/** What a feature service may list. */
export type ServedFeatures = FeatureViewData | OnDemandFeatureViewData | FeatureViewProjectionData;

/** What `defineFeatureService` takes. */
export interface FeatureServiceOptions extends DescriptionOptions {
  readonly name: string;
  /** Views, or parts of views made with `select`, `withName` and `withJoinKeyMap`; the response keeps their order. */
  readonly features: readonly [ServedFeatures, ...ServedFeatures[]];
  /** Asks Feast to keep whole answers in the store. This server reads the features themselves either way. */
  readonly precomputeOnline?: boolean;
}

/**
 * Defines the features that one model reads.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function defineFeatureService(options: FeatureServiceOptions): FeatureService {
  checkObjectName('feature service', options.name);
  const subject = `feature service "${options.name}"`;
  const projections = (options.features ?? []).map((entry, index) =>
    toProjection(subject, entry, index),
  );
  if (projections.length === 0) {
    throw invalidDefinition(subject, 'it has no features', 'list views or projections of views');
  }
  checkRepeats(subject, projections);
  return Object.freeze({
    [DEFINITION]: 'feature_service' as const,
    name: options.name,
    projections: Object.freeze(projections),
    precomputeOnline: options.precomputeOnline ?? false,
    ...describe(subject, options),
  });
}

function toProjection(
  subject: string,
  entry: ServedFeatures,
  index: number,
): FeatureViewProjectionData {
  if (entry?.[DEFINITION] === 'projection') return entry;
  if (entry?.[DEFINITION] === 'feature_view' || entry?.[DEFINITION] === 'on_demand_feature_view') {
    return wholeView(entry);
  }
  throw invalidDefinition(
    subject,
    `features[${index}] is not a view`,
    'list views or what select(), withName() and withJoinKeyMap() return',
  );
}

/** The same feature under the same name can never be told apart in a response, whatever the request asks for. */
function checkRepeats(subject: string, projections: readonly FeatureViewProjectionData[]): void {
  const seen = new Set<string>();
  for (const { view, alias, features } of projections) {
    for (const feature of features) {
      const reference = `${alias === '' ? view.name : alias}:${feature.name}`;
      if (seen.has(reference)) {
        throw invalidDefinition(
          subject,
          `it lists ${reference} twice`,
          'select it once, or rename one of the projections with withName()',
        );
      }
      seen.add(reference);
    }
  }
}
