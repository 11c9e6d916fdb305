import { create, fromBinary } from '@bufbuild/protobuf';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';
import { canonicalMessage, EPOCH, NO_VALUE } from '../support/golden-answer.ts';
import type { FeaturesAnswer, GoldenCell, GoldenColumn } from '../support/golden-answer.ts';
import { canonicalFloat, canonicalJson } from '../support/golden-json.ts';
import type { GoldenCase, GoldenProtocol } from './golden-case.ts';
import { allKeySources, entityKey, namedColumns } from './golden-entities.ts';
import { convertLossless, type EntityValue } from './golden-question.ts';
import type { RequestedOutput } from './golden-registry.ts';
import type { StoredFeature } from './golden-store.ts';

/**
 * The answer to a request that Feast fails at, put together from what Feast stored: the latest version of every view
 * unless one is pinned, entity values in their declared types, NOT_FOUND where nothing is stored.
 */
export function storedAnswer(golden: GoldenCase): FeaturesAnswer {
  const { outputs, protocol } = golden;
  if (outputs === undefined) throw new Error(`${golden.vector.id} asks for nothing known`);
  const types = new Map(allKeySources(golden).map((source) => [source.columnName, source]));
  const entities = [...namedColumns(golden)].map(([name, values]): GoldenColumn => {
    const valueType = types.get(name)?.valueType;
    const cells = values.map((sent) => {
      const value = valueType === undefined ? sent : convertLossless(sent, valueType);
      return {
        value: entityText(value ?? sent, protocol),
        status: 'PRESENT',
        timestamp: EPOCH,
      };
    });
    return { name, cells };
  });
  const rowCount = Math.max(0, ...[...(golden.sent?.values() ?? [])].map(({ length }) => length));
  const features = outputs.map((output): GoldenColumn => ({
    name: output.name,
    cells: Array.from({ length: rowCount }, (_, row) => storedCell(golden, output, row)),
  }));
  return {
    kind: 'features',
    columns: [...entities, ...features],
    viewMetadata: golden.asked.includeVersions ? versionsRead(golden) : [],
  };
}

/** The metadata of the views of an answer, in order of first mention: `name@version`. */
export function versionsRead({ outputs = [], registry }: GoldenCase): readonly string[] {
  const read = outputs.map(({ viewName, pinnedVersion }) => {
    const version = pinnedVersion ?? registry.views.get(viewName)?.currentVersion ?? 0;
    return `${viewName}@${version}`;
  });
  return [...new Set(read)];
}

/** What is stored of an output's feature for the entity of a row; nothing where the entity is null. */
export function storedFeature(
  golden: GoldenCase,
  output: RequestedOutput,
  row: number,
): StoredFeature {
  const { registry, store } = golden;
  const key = entityKey(golden, output, row);
  if (key === null) return { value: undefined, eventTimestampNs: undefined };
  const version = output.pinnedVersion ?? registry.views.get(output.viewName)?.currentVersion ?? 0;
  const hasOwnRows = registry.keepsVersions && version > 0;
  const storedName = hasOwnRows ? `${output.viewName}_v${version}` : output.viewName;
  return store.find(storedName, output.featureName, key);
}

export function storedCell(golden: GoldenCase, output: RequestedOutput, row: number): GoldenCell {
  const { value, eventTimestampNs = 0n } = storedFeature(golden, output, row);
  const seconds = eventTimestampNs / 1_000_000_000n;
  const nanos = String(eventTimestampNs % 1_000_000_000n).padStart(9, '0');
  return {
    value:
      value === undefined ? NO_VALUE : valueText(fromBinary(ValueSchema, value), golden.protocol),
    status: value === undefined && !golden.asFeast ? 'NOT_FOUND' : 'PRESENT',
    timestamp: `${seconds}.${nanos}`,
  };
}

function entityText({ kind, value }: EntityValue, protocol: GoldenProtocol): string {
  if (kind === 'null' && (value === null || protocol === 'JSON')) return NO_VALUE;
  if (kind === 'other') throw new Error('no answer repeats such an entity value');
  const held = kind === 'int32' || kind === 'null' ? Number(value) : value;
  const message = create(ValueSchema, { val: { case: `${kind}Val`, value: held } as Value['val'] });
  return valueText(message, protocol);
}

/** As `golden-answer.ts` writes values; in JSON only those of simple types. */
function valueText(message: Value, protocol: GoldenProtocol): string {
  const { case: kind, value } = message.val;
  if (kind === undefined) return NO_VALUE;
  if (protocol !== 'JSON') return canonicalMessage(message);
  switch (kind) {
    case 'int32Val':
    case 'int64Val':
    case 'unixTimestampVal':
      return String(value);
    case 'floatVal':
    case 'doubleVal':
      return canonicalFloat(value);
    case 'stringVal':
    case 'boolVal':
      return canonicalJson(value);
    default:
      throw new Error(`no vector needs the JSON of ${kind}`);
  }
}
