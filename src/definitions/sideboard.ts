/**
 * What a feature repository imports as `sideboard`: the functions that define objects, and the types of their values.
 * The package's only entry, and therefore the only file that passes on names of others.
 */
export { defineEntity } from './define-entity.ts';
export { defineFeatureService } from './define-feature-service.ts';
export { defineFeatureView } from './define-feature-view.ts';
export { defineOnDemandFeatureView } from './define-on-demand-feature-view.ts';
export { defineFileSource, definePushSource, defineRequestSource } from './define-source.ts';
export { field } from './field.ts';
export * from './value-types.ts';
export type { Schema } from './field.ts';
export type { TimeSpan } from './define-feature-view.ts';
export type {
  Definition,
  Entity,
  FeatureService,
  FeatureView,
  FeatureViewProjection,
  FileSource,
  OnDemandFeatureView,
  PushSource,
  RequestSource,
} from './definition.ts';
