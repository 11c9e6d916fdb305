import { checkViewName } from './check-name.ts';
import { invalidDefinition } from './definition-error.ts';
import {
  DEFINITION,
  type Entity,
  type FeatureField,
  type FeatureView,
  type FeatureViewData,
  type FileSource,
  type PushSource,
} from './definition.ts';
import { describe, type DescriptionOptions } from './describe.ts';
import { fieldsOfSchema, type FieldNames, type FieldTypes, type Schema } from './field.ts';
import { projectionMethods, wholeView } from './projection.ts';

/** A length of time as the sum of its parts: `{ days: 90 }`, `{ hours: 1, minutes: 30 }`. */
export interface TimeSpan {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
}

/** What `defineFeatureView` takes. */
export interface FeatureViewOptions<
  S extends Schema,
  E extends readonly Entity[],
> extends DescriptionOptions {
  readonly name: string;
  /** Whom the features describe; left out or empty for features that are the same for everybody. */
  readonly entities?: E;
  /** Feature name → type, without join keys and timestamps. */
  readonly schema: S;
  readonly source: FileSource | PushSource;
  /** How long after its event a value counts; no limit when left out. */
  readonly ttl?: TimeSpan;
  /** `false` leaves it out of `materialize` without names. */
  readonly online?: boolean;
  /** `false` refuses reads and writes of it. */
  readonly enabled?: boolean;
}

/**
 * Defines features of an entity, where they come from and how long they live.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function defineFeatureView<
  const S extends Schema,
  const E extends readonly Entity[] = readonly [],
>(
  options: FeatureViewOptions<S, E>,
): FeatureView<FieldNames<S>, E[number]['joinKey'], FieldTypes<S>> {
  checkViewName('feature view', options.name);
  const subject = `feature view "${options.name}"`;
  const entities: readonly Entity[] = options.entities ?? [];
  const features = fieldsOfSchema(subject, 'feature', options.schema);
  const source = options.source;
  if (source?.[DEFINITION] !== 'file_source' && source?.[DEFINITION] !== 'push_source') {
    throw invalidDefinition(
      subject,
      'its source is neither a file source nor a push source',
      'give it what defineFileSource() or definePushSource() returns',
    );
  }
  checkEntities(subject, entities, features);
  checkTimestamps(subject, source, features);
  const view: FeatureViewData = {
    [DEFINITION]: 'feature_view',
    name: options.name,
    entities: Object.freeze([...entities]),
    features,
    ttlSeconds: toSeconds(subject, options.ttl ?? {}),
    source,
    online: options.online ?? true,
    enabled: options.enabled ?? true,
    ...describe(subject, options),
  };
  const whole = wholeView(view);
  return Object.freeze({
    ...view,
    ...projectionMethods<FieldNames<S>, string, FieldTypes<S>>(() => whole),
  });
}

function checkEntities(
  subject: string,
  entities: readonly Entity[],
  features: readonly FeatureField[],
): void {
  const seen = new Set<string>();
  for (const [index, entity] of entities.entries()) {
    if (entity?.[DEFINITION] !== 'entity') {
      throw invalidDefinition(
        subject,
        `entities[${index}] is not an entity`,
        'list what defineEntity() returns (undefined here often means that two files import each other)',
      );
    }
    if (seen.has(entity.joinKey)) {
      throw invalidDefinition(
        subject,
        `two of its entities have the join key "${entity.joinKey}"`,
        'give one of them another joinKey',
      );
    }
    seen.add(entity.joinKey);
    if (features.some((feature) => feature.name === entity.joinKey)) {
      throw invalidDefinition(
        subject,
        `"${entity.joinKey}" is both a feature and the join key of entity "${entity.name}"`,
        'leave it out of the schema: the entity brings it',
      );
    }
  }
}

function checkTimestamps(
  subject: string,
  source: FileSource | PushSource,
  features: readonly FeatureField[],
): void {
  const file = source[DEFINITION] === 'push_source' ? source.batchSource : source;
  const taken = [file.timestampField, file.createdTimestampColumn].find((column) =>
    features.some((feature) => feature.name === column),
  );
  if (taken === undefined) return;
  throw invalidDefinition(
    subject,
    `feature "${taken}" is a timestamp column of source "${file.name}"`,
    'leave it out of the schema, or copy the column under another name',
  );
}

function toSeconds(subject: string, span: TimeSpan): number {
  const { days = 0, hours = 0, minutes = 0, seconds = 0 } = span;
  const total = days * 86_400 + hours * 3_600 + minutes * 60 + seconds;
  if (Number.isSafeInteger(total) && total >= 0) return total;
  throw invalidDefinition(
    subject,
    'its ttl is not a whole number of seconds, 0 or more',
    'write it as { days: 90 } or { hours: 1, minutes: 30 }',
  );
}
