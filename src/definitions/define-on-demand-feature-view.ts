import { checkViewName } from './check-name.ts';
import { invalidDefinition } from './definition-error.ts';
import {
  DEFINITION,
  type ComputeFunction,
  type Entity,
  type FeatureView,
  type FeatureViewProjection,
  type FeatureField,
  type FeatureViewProjectionData,
  type OnDemandFeatureView,
  type OnDemandFeatureViewData,
  type OnDemandMode,
  type RequestSource,
} from './definition.ts';
import { describe, type DescriptionOptions } from './describe.ts';
import { columnKind, type InputColumns, type OutputColumns } from './column-types.ts';
import { fieldsOfSchema, type FieldNames, type FieldTypes, type Schema } from './field.ts';
import { projectionMethods, wholeView } from './projection.ts';

/** What an on-demand view may be computed from. */
export type OnDemandSource = FeatureView | FeatureViewProjection | RequestSource;

/** What `defineOnDemandFeatureView` takes. */
export interface OnDemandFeatureViewOptions<
  S extends Schema,
  Sources extends OnDemandSources = OnDemandSources,
> extends DescriptionOptions {
  readonly name: string;
  /** Views, projections of views and request sources that the function sees. */
  readonly sources: Sources;
  /** Name → type of what the function returns. */
  readonly schema: S;
  /**
   * Computes it when rows are written to it, and keeps what was computed in the online store, where it is read like a feature
   * view. It then has `entities`.
   */
  readonly writeToOnlineStore?: boolean;
  readonly entities?: readonly Entity[];
  /** `pandas` (the default): data frame in, data frame out. `python`: dictionary of lists. */
  readonly mode?: OnDemandMode;
  /**
   * Python source of the function, run by Feast's own servers: one `def` of one argument. Left out, `apply` keeps the
   * function that the registry has, and for a new view writes one that says that there is none.
   */
  readonly pythonSource?: string;
  /**
   * The function, run by this server: columns in, columns out, one value per row, null where there is none. Inputs are the
   * features of the sources by their names (and as `view__feature`), the join keys and the request data. It treats each row
   * by itself and waits for nothing.
   */
  readonly compute?: (inputs: InputColumns<Sources>, rowCount: number) => OutputColumns<S>;
}

type OnDemandSources = readonly [OnDemandSource, ...OnDemandSource[]];

/**
 * Defines features that are computed while a request is answered: their names and types, and what they are computed from.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function defineOnDemandFeatureView<
  const S extends Schema,
  const Sources extends OnDemandSources,
>(options: OnDemandFeatureViewOptions<S, Sources>): OnDemandFeatureView<FieldNames<S>> {
  checkViewName('on demand feature view', options.name);
  const subject = `on demand feature view "${options.name}"`;
  const features = fieldsOfSchema(subject, 'feature', options.schema);
  const sources = (options.sources ?? []).map((source, index) => toSource(subject, source, index));
  if (sources.length === 0) {
    throw invalidDefinition(subject, 'it has no sources', 'list views or request sources');
  }
  checkSourceNames(subject, sources);
  const mode = options.mode ?? 'pandas';
  if (mode !== 'pandas' && mode !== 'python') {
    throw invalidDefinition(
      subject,
      `mode "${String(mode)}" is not supported`,
      'use pandas or python',
    );
  }
  if (options.pythonSource !== undefined && !/^def\s+\w+\s*\(/m.test(options.pythonSource)) {
    throw invalidDefinition(
      subject,
      'its pythonSource defines no function',
      'write one def of one argument',
    );
  }
  checkCompute(subject, options.compute, features);
  const { writeToOnlineStore = false, entities = [] } = options;
  checkEntities(subject, writeToOnlineStore, entities);
  const view: OnDemandFeatureViewData = {
    [DEFINITION]: 'on_demand_feature_view',
    name: options.name,
    sources: Object.freeze(sources),
    features,
    mode,
    entities: Object.freeze([...entities]),
    writeToOnlineStore,
    pythonSource: options.pythonSource,
    // What it takes and gives is checked when it runs.
    compute: options.compute as ComputeFunction | undefined,
    ...describe(subject, options),
  };
  const whole = wholeView(view);
  return Object.freeze({
    ...view,
    ...projectionMethods<FieldNames<S>, never, FieldTypes<S>>(() => whole),
  });
}

function toSource(
  subject: string,
  source: OnDemandSource,
  index: number,
): FeatureViewProjectionData | RequestSource {
  if (source?.[DEFINITION] === 'request_source') return source;
  if (source?.[DEFINITION] === 'feature_view') return wholeView(source);
  if (source?.[DEFINITION] === 'projection' && source.view[DEFINITION] === 'feature_view') {
    return source;
  }
  throw invalidDefinition(
    subject,
    `sources[${index}] is not a feature view, a projection of one or a request source`,
    'list what the define functions return',
  );
}

function checkCompute(subject: string, compute: unknown, features: readonly FeatureField[]): void {
  if (compute === undefined) return;
  if (typeof compute !== 'function') {
    throw invalidDefinition(subject, 'its compute is no function', 'give it one of columns');
  }
  const unfit = features.find(({ type }) => columnKind(type.valueType) === undefined);
  if (unfit === undefined) return;
  throw invalidDefinition(
    subject,
    `feature "${unfit.name}" is ${unfit.type.name}, which functions in TypeScript do not give`,
    'give it as Json text, or as features of its own',
  );
}

function checkEntities(subject: string, isWritten: boolean, entities: readonly Entity[]): void {
  const stray = entities.findIndex((entity) => entity?.[DEFINITION] !== 'entity');
  if (stray >= 0) {
    throw invalidDefinition(
      subject,
      `entities[${stray}] is not an entity`,
      'list what defineEntity returns',
    );
  }
  if (isWritten === entities.length > 0) return;
  throw invalidDefinition(
    subject,
    isWritten ? 'it is written to the online store without entities' : 'it has entities',
    isWritten
      ? 'list the entities that its rows are of'
      : 'set writeToOnlineStore, or leave them out',
  );
}

function checkSourceNames(
  subject: string,
  sources: readonly (FeatureViewProjectionData | RequestSource)[],
): void {
  const seen = new Set<string>();
  for (const source of sources) {
    const name = onDemandSourceName(source);
    if (seen.has(name)) {
      throw invalidDefinition(
        subject,
        `two of its sources are called "${name}"`,
        'select all features of a view at once, or rename one with withName()',
      );
    }
    seen.add(name);
  }
}

/** The key of a source in the registry: the request source's name, or the name that the view goes by. */
export function onDemandSourceName(source: FeatureViewProjectionData | RequestSource): string {
  if (source[DEFINITION] === 'request_source') return source.name;
  return source.alias === '' ? source.view.name : source.alias;
}
