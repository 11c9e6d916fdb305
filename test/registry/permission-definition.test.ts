import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import {
  PermissionSchema,
  PermissionSpec_AuthzedAction as Action,
  PermissionSpec_Type as Type,
} from '../../gen/feast/core/Permission_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { loadRegistry } from '../../src/registry/load-registry.ts';
import { definePermission } from '../../src/registry/permission-definition.ts';
import { buildRegistrySnapshot } from '../../src/registry/registry-snapshot.ts';

const READERS = create(PermissionSchema, {
  spec: {
    name: 'readers',
    project: 'rides',
    types: [Type.FEATURE_VIEW, Type.ENTITY],
    namePatterns: ['driver_.*'],
    requiredTags: { team: 'growth' },
    actions: [Action.CREATE, Action.READ_ONLINE],
    policy: { policyType: { case: 'roleBasedPolicy', value: { roles: ['reader'] } } },
  },
});

const OPTIONS = { project: 'rides', versioningEnabled: false };

describe('a permission', () => {
  test('keeps what a feature server can enforce', () => {
    expect(definePermission(READERS)).toEqual({
      name: 'readers',
      objectTypes: new Set(['FEATURE_VIEW']),
      namePatterns: ['driver_.*'],
      requiredTags: { team: 'growth' },
      actions: new Set(['CREATE', 'READ_ONLINE']),
      policy: { kind: 'roles', roles: ['reader'] },
    });
  });

  test('without types is about every kind, as Feast reads it', () => {
    const { objectTypes } = definePermission(create(PermissionSchema, { spec: { name: 'all' } }));
    expect([...objectTypes].sort()).toEqual([
      'BATCH_FEATURE_VIEW',
      'FEATURE_SERVICE',
      'FEATURE_VIEW',
      'LABEL_VIEW',
      'ON_DEMAND_FEATURE_VIEW',
      'STREAM_FEATURE_VIEW',
    ]);
  });

  test('about kinds that no feature server has is about none', () => {
    const spec = { name: 'entities', types: [Type.ENTITY, 99 as Type] };
    expect(definePermission(create(PermissionSchema, { spec })).objectTypes.size).toBe(0);
  });

  test.each([
    ['groups', 'groupBasedPolicy', { groups: ['g'] }, { groups: ['g'], namespaces: [] }],
    [
      'namespaces',
      'namespaceBasedPolicy',
      { namespaces: ['n'] },
      { groups: [], namespaces: ['n'] },
    ],
    [
      'groups or namespaces',
      'combinedGroupNamespacePolicy',
      { groups: ['g'], namespaces: ['n'] },
      { groups: ['g'], namespaces: ['n'] },
    ],
  ] as const)('admits %s', (_, kind, value, expected) => {
    const policyType = { case: kind, value } as never;
    const permission = create(PermissionSchema, { spec: { policy: { policyType } } });
    expect(definePermission(permission).policy).toEqual({
      kind: 'groups_or_namespaces',
      ...expected,
    });
  });

  test.each([
    ['no policy at all', undefined],
    ['an empty policy, as Feast writes AllowAll', {}],
  ])('with %s admits everybody', (_, policy) => {
    const permission = create(PermissionSchema, {
      spec: { name: 'p', ...(policy === undefined ? {} : { policy }) },
    });
    expect(definePermission(permission).policy).toEqual({ kind: 'everybody' });
  });

  test('with a policy that a later Feast may have admits nobody', () => {
    // spec (1) with a policy (7) whose only field (9) is not known.
    const bytes = new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .fork()
      .tag(7, WireType.LengthDelimited)
      .fork()
      .tag(9, WireType.LengthDelimited)
      .bytes(Uint8Array.of(1, 2))
      .join()
      .join()
      .finish();
    expect(definePermission(fromBinary(PermissionSchema, bytes)).policy.kind).toBe('unknown');
  });
});

test('a snapshot has the permissions of its project alone, however it is read', () => {
  const others = create(PermissionSchema, { spec: { name: 'others', project: 'shop' } });
  const registry = create(RegistrySchema, {
    projects: [{ spec: { name: 'rides' } }, { spec: { name: 'shop' } }],
    permissions: [others, READERS],
  });
  const loading = loadRegistry(toBinary(RegistrySchema, registry), OPTIONS);
  let step = loading.next();
  while (step.done !== true) step = loading.next();
  const expected = [definePermission(READERS)];
  expect(step.value.snapshot.permissions).toEqual(expected);
  expect(buildRegistrySnapshot(registry, OPTIONS).permissions).toEqual(expected);
});
