import type { Permission } from '../../gen/feast/core/Permission_pb.ts';
import {
  PermissionSpec_AuthzedAction,
  PermissionSpec_Type,
} from '../../gen/feast/core/Permission_pb.ts';
import type { Policy } from '../../gen/feast/core/Policy_pb.ts';
import type {
  PermissionAction,
  PermissionDefinition,
  PermissionObjectType,
  PolicyDefinition,
} from './registry-model.ts';

const ACTIONS: Readonly<Record<number, PermissionAction>> = {
  [PermissionSpec_AuthzedAction.CREATE]: 'CREATE',
  [PermissionSpec_AuthzedAction.DESCRIBE]: 'DESCRIBE',
  [PermissionSpec_AuthzedAction.UPDATE]: 'UPDATE',
  [PermissionSpec_AuthzedAction.DELETE]: 'DELETE',
  [PermissionSpec_AuthzedAction.READ_ONLINE]: 'READ_ONLINE',
  [PermissionSpec_AuthzedAction.READ_OFFLINE]: 'READ_OFFLINE',
  [PermissionSpec_AuthzedAction.WRITE_ONLINE]: 'WRITE_ONLINE',
  [PermissionSpec_AuthzedAction.WRITE_OFFLINE]: 'WRITE_OFFLINE',
};

/** The kinds that a feature server has; permissions on others say nothing to it. */
const TYPES: Readonly<Record<number, PermissionObjectType>> = {
  [PermissionSpec_Type.FEATURE_VIEW]: 'FEATURE_VIEW',
  [PermissionSpec_Type.BATCH_FEATURE_VIEW]: 'BATCH_FEATURE_VIEW',
  [PermissionSpec_Type.STREAM_FEATURE_VIEW]: 'STREAM_FEATURE_VIEW',
  [PermissionSpec_Type.ON_DEMAND_FEATURE_VIEW]: 'ON_DEMAND_FEATURE_VIEW',
  [PermissionSpec_Type.LABEL_VIEW]: 'LABEL_VIEW',
  [PermissionSpec_Type.FEATURE_SERVICE]: 'FEATURE_SERVICE',
};

const ALL_TYPES = Object.values(TYPES);

/** A permission, frozen. What a later Feast added to it and is not known here grants nothing. */
export function definePermission({ spec }: Permission): PermissionDefinition {
  const types = spec?.types ?? [];
  return Object.freeze({
    name: spec?.name ?? '',
    // Feast reads no types as all of them.
    objectTypes: new Set(
      types.length === 0 ? ALL_TYPES : types.flatMap((type) => TYPES[type] ?? []),
    ),
    namePatterns: Object.freeze([...(spec?.namePatterns ?? [])]),
    requiredTags: Object.freeze({ ...spec?.requiredTags }),
    actions: new Set(spec?.actions.flatMap((action) => ACTIONS[action] ?? [])),
    policy: Object.freeze(definePolicy(spec?.policy)),
  });
}

function definePolicy(policy: Policy | undefined): PolicyDefinition {
  const { case: kind, value } = policy?.policyType ?? { case: undefined };
  switch (kind) {
    case 'roleBasedPolicy':
      return { kind: 'roles', roles: value.roles };
    case 'groupBasedPolicy':
      return { kind: 'groups_or_namespaces', groups: value.groups, namespaces: [] };
    case 'namespaceBasedPolicy':
      return { kind: 'groups_or_namespaces', groups: [], namespaces: value.namespaces };
    case 'combinedGroupNamespacePolicy':
      return {
        kind: 'groups_or_namespaces',
        groups: value.groups,
        namespaces: value.namespaces,
      };
    case undefined:
      // A kind of policy that is not known here looks like none, but for the field that was left over.
      return { kind: (policy?.$unknown?.length ?? 0) > 0 ? 'unknown' : 'everybody' };
  }
}
