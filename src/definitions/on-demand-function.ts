import { create, equals } from '@bufbuild/protobuf';
import type {
  OnDemandFeatureView,
  OnDemandFeatureViewSpec,
} from '../../gen/feast/core/OnDemandFeatureView_pb.ts';
import {
  FeatureTransformationV2Schema,
  UserDefinedFunctionV2Schema,
  type FeatureTransformationV2,
} from '../../gen/feast/core/Transformation_pb.ts';

/**
 * Decides which function an on-demand view gets. A definition without one keeps what the registry has for this mode. A
 * view that never had one gets a function that says so, because Feast's SDK refuses to load any object of a registry
 * in which an on-demand view has none.
 *
 * @param next is edited in place
 */
export function settleFunction(
  before: OnDemandFeatureView | undefined,
  next: OnDemandFeatureView,
): void {
  const spec = next.spec;
  const old = before?.spec;
  if (spec === undefined) return;
  if (spec.featureTransformation === undefined) {
    const keep = old !== undefined && old.mode === spec.mode && hasFunction(old);
    if (keep) copyFunction(old, spec);
    else spec.featureTransformation = absentFunction(spec);
    return;
  }
  // The pickle beside an unchanged source is worth keeping: older Feast versions load nothing else.
  if (
    old?.featureTransformation &&
    sameSource(old.featureTransformation, spec.featureTransformation)
  ) {
    copyFunction(old, spec);
  }
}

function copyFunction(from: OnDemandFeatureViewSpec, to: OnDemandFeatureViewSpec): void {
  to.featureTransformation = from.featureTransformation;
  to.userDefinedFunction = from.userDefinedFunction;
}

function hasFunction(spec: OnDemandFeatureViewSpec): boolean {
  return spec.featureTransformation !== undefined || spec.userDefinedFunction !== undefined;
}

function sameSource(a: FeatureTransformationV2, b: FeatureTransformationV2): boolean {
  return equals(FeatureTransformationV2Schema, withoutPickle(a), withoutPickle(b));
}

function withoutPickle(function_: FeatureTransformationV2): FeatureTransformationV2 {
  const { transformation } = function_;
  if (transformation.case !== 'userDefinedFunction') return function_;
  const { name, bodyText, mode } = transformation.value;
  return create(FeatureTransformationV2Schema, {
    transformation: {
      case: 'userDefinedFunction',
      value: create(UserDefinedFunctionV2Schema, { name, bodyText, mode }),
    },
  });
}

function absentFunction(spec: OnDemandFeatureViewSpec): FeatureTransformationV2 {
  const name = spec.name.replaceAll(/\W/gu, '_').replace(/^(?=\d)/, '_');
  const sentence = `on demand feature view ${spec.name} was defined without a Python function`;
  return create(FeatureTransformationV2Schema, {
    transformation: {
      case: 'userDefinedFunction',
      value: create(UserDefinedFunctionV2Schema, {
        name,
        mode: spec.mode,
        bodyText: `def ${name}(inputs):\n    raise NotImplementedError(${JSON.stringify(sentence)})\n`,
      }),
    },
  });
}
