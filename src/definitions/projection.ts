import { checkFieldName, checkViewName } from './check-name.ts';
import { invalidDefinition } from './definition-error.ts';
import {
  DEFINITION,
  type FeatureField,
  type FeatureViewProjection,
  type FeatureViewProjectionData,
  type TypeNames,
  describeDefinition,
} from './definition.ts';

/** The methods of `Projectable`, for a view (its whole projection) or for a projection of it. */
export function projectionMethods<F extends string, K extends string, T extends TypeNames<F>>(
  current: () => FeatureViewProjectionData,
): Pick<FeatureViewProjection<F, K, T>, 'select' | 'withName' | 'withJoinKeyMap'> {
  return {
    select: (...names) => createProjection({ ...current(), features: pick(current(), names) }),
    withName: (alias) => {
      checkViewName('alias', alias);
      return createProjection({ ...current(), alias });
    },
    withJoinKeyMap: (map) =>
      createProjection({ ...current(), joinKeyMap: checkJoinKeyMap(current(), map) }),
  };
}

/** All features of a view, under its own name. */
export function wholeView(view: FeatureViewProjectionData['view']): FeatureViewProjectionData {
  return {
    [DEFINITION]: 'projection',
    view,
    features: view.features,
    alias: '',
    joinKeyMap: Object.freeze({}),
  };
}

function createProjection<F extends string, K extends string, T extends TypeNames<F>>(
  data: FeatureViewProjectionData,
): FeatureViewProjection<F, K, T> {
  const copy: FeatureViewProjectionData = {
    [DEFINITION]: 'projection',
    view: data.view,
    features: Object.freeze(data.features),
    alias: data.alias,
    joinKeyMap: Object.freeze(data.joinKeyMap),
  };
  return Object.freeze({ ...copy, ...projectionMethods<F, K, T>(() => copy) });
}

function pick(from: FeatureViewProjectionData, names: readonly string[]): readonly FeatureField[] {
  const subject = describeDefinition(from.view);
  if (names.length === 0) {
    throw invalidDefinition(subject, 'select() got no feature', 'name the features to take');
  }
  const duplicate = names.find((name, index) => names.indexOf(name) !== index);
  if (duplicate !== undefined) {
    throw invalidDefinition(subject, `select() names "${duplicate}" twice`, 'name it once');
  }
  return names.map((name) => {
    const found = from.features.find((feature) => feature.name === name);
    if (found !== undefined) return found;
    const known = from.features.map((feature) => feature.name).join(', ');
    throw invalidDefinition(
      subject,
      `there is no feature "${name}" to select`,
      `use one of ${known}`,
    );
  });
}

function checkJoinKeyMap(
  from: FeatureViewProjectionData,
  map: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const subject = describeDefinition(from.view);
  const view = from.view;
  const joinKeys =
    view[DEFINITION] === 'feature_view' ? view.entities.map((entity) => entity.joinKey) : [];
  const checked: Record<string, string> = {};
  for (const [joinKey, column] of Object.entries(map)) {
    if (column === undefined) continue;
    if (!joinKeys.includes(joinKey)) {
      throw invalidDefinition(
        subject,
        `withJoinKeyMap() maps "${joinKey}", which is not a join key of it`,
        joinKeys.length === 0 ? 'it has none to map' : `use one of ${joinKeys.join(', ')}`,
      );
    }
    checkFieldName(subject, 'column of withJoinKeyMap()', column);
    checked[joinKey] = column;
  }
  return checked;
}
