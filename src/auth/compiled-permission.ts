import type { Caller, GuardedObject } from '../call/access.ts';
import type {
  PermissionAction,
  PermissionDefinition,
  PermissionObjectType,
} from '../registry/registry-model.ts';
import { compileNamePattern } from './compile-name-pattern.ts';

/** A permission, ready to be asked. */
export interface CompiledPermission {
  readonly name: string;
  readonly actions: ReadonlySet<PermissionAction>;
  /** Whether it is about this object. */
  covers(object: GuardedObject): boolean;
  /** Whether its policy is met. */
  admits(caller: Caller): boolean;
}

export function compilePermission(
  { name, actions, objectTypes, namePatterns, requiredTags, policy }: PermissionDefinition,
  tags: 'ignore' | 'match',
): CompiledPermission {
  const patterns = namePatterns.flatMap((pattern) => compileNamePattern(pattern) ?? []);
  const wanted = tags === 'match' ? Object.entries(requiredTags) : [];
  return {
    name,
    actions,
    covers: (object) =>
      typesOf(object).some((type) => objectTypes.has(type)) &&
      (namePatterns.length === 0 || patterns.some((matches) => matches(object.name))) &&
      wanted.every(([tag, value]) => object.tags[tag] === value),
    admits(caller) {
      switch (policy.kind) {
        case 'everybody':
          return true;
        case 'roles':
          return shareOne(policy.roles, caller.roles);
        case 'groups_or_namespaces':
          return (
            shareOne(policy.groups, caller.groups) || shareOne(policy.namespaces, caller.namespaces)
          );
        case 'unknown':
          return false;
      }
    },
  };
}

/**
 * What of a permission cannot be enforced, a sentence each: it grants nothing through it.
 */
export function problemsOfPermission(
  { name, namePatterns, requiredTags, policy }: PermissionDefinition,
  tags: 'ignore' | 'match',
): readonly string[] {
  const problems = namePatterns
    .filter((pattern) => compileNamePattern(pattern) === undefined)
    .map(
      (pattern) =>
        `permission ${name} has the name pattern ${pattern}, which means something in Python alone: it matches nothing here; write it plainer`,
    );
  if (policy.kind === 'unknown') {
    problems.push(
      `permission ${name} has a policy of a kind that is not known here: it grants nothing`,
    );
  }
  if (tags === 'ignore' && Object.keys(requiredTags).length > 0) {
    problems.push(
      `permission ${name} has required_tags, which Feast does not look at and neither does this server; set permission_tags to match to have them enforced`,
    );
  }
  return problems;
}

/** An object is of its kind and of the kinds that Feast derives it from. */
function typesOf(object: GuardedObject): readonly PermissionObjectType[] {
  if ('projections' in object) return ['FEATURE_SERVICE'];
  switch (object.kind) {
    case 'feature_view':
      return object.isBatchView === true
        ? ['FEATURE_VIEW', 'BATCH_FEATURE_VIEW']
        : ['FEATURE_VIEW'];
    case 'stream_feature_view':
      return ['FEATURE_VIEW', 'STREAM_FEATURE_VIEW'];
    case 'on_demand_feature_view':
      return ['ON_DEMAND_FEATURE_VIEW'];
    case 'label_view':
      return ['LABEL_VIEW'];
  }
}

function shareOne(wanted: readonly string[], had: readonly string[]): boolean {
  return wanted.some((each) => had.includes(each));
}
