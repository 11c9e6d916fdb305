import { Buffer } from 'node:buffer';
import { storedFieldNames } from '../doctor/stored-field-names.ts';
import { EncodingError } from '../feast-encoding/encoding-error.ts';
import { decodeTimestamp } from '../feast-encoding/timestamp.ts';
import type { FeatureValue } from '../feast-encoding/typed-value.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { valueTypeName } from '../feast-encoding/value-type.ts';
import type { StoredField } from '../online-store/online-store.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';

/** One field of an entity, by the name that the registry has for it. */
export interface ResolvedField {
  /** Stored view name (`_vN` for versions); `undefined` where no view of the registry has such a field. */
  readonly view: string | undefined;
  /** Feature name, `event timestamp`, or the bytes of the field in hex where the registry does not know them. */
  readonly feature: string;
  /** Name of the stored type; `null` for a stored null, `damaged` for bytes that are no value. */
  readonly type: string;
  readonly sizeBytes: number;
  /** Seconds since the event timestamp of its view's row; `undefined` where there is none. */
  readonly ageSeconds: number | undefined;
  /** Nanoseconds since the epoch for an event timestamp; `undefined` where the bytes are damaged. */
  readonly value: FeatureValue | undefined;
}

const TIMESTAMP_PREFIX = '_ts:';
const NANOS_PER_SECOND = 1_000_000_000n;

/**
 * Gives stored fields their names, types and ages. Redis knows features by four bytes of a hash, so it takes the registry to
 * say whose they are.
 *
 * @param nowSeconds since the epoch, UTC.
 * @returns sorted by view and feature, what the registry does not know last.
 */
export function resolveStoredFields(
  fields: readonly StoredField[],
  snapshot: RegistrySnapshot,
  nowSeconds: number,
): readonly ResolvedField[] {
  const features = storedFieldNames(snapshot);
  const momentOf = new Map<string, bigint>();
  for (const { view, name, value } of fields) {
    const moment = view === undefined ? timestampOf(text(name), value) : undefined;
    if (moment !== undefined) {
      momentOf.set(text(name).slice(TIMESTAMP_PREFIX.length), moment);
    }
  }
  const ageOf = (moment: bigint | undefined): number | undefined =>
    moment === undefined ? undefined : Math.round(nowSeconds - Number(moment / NANOS_PER_SECOND));
  const resolved = fields.map((field): ResolvedField => {
    if (field.view === undefined && text(field.name).startsWith(TIMESTAMP_PREFIX)) {
      const view = text(field.name).slice(TIMESTAMP_PREFIX.length);
      const moment = momentOf.get(view);
      const type = moment === undefined ? 'damaged' : 'timestamp';
      const sizeBytes = field.value.length;
      const ageSeconds = ageOf(moment);
      return { view, feature: 'event timestamp', type, sizeBytes, ageSeconds, value: moment };
    }
    const hex = Buffer.from(field.name).toString('hex');
    const known =
      field.view === undefined
        ? features.get(hex)
        : { view: field.view, feature: text(field.name) };
    const moment = field.eventTimestampNs ?? momentOf.get(known?.view ?? '');
    const ageSeconds = ageOf(moment);
    return {
      view: known?.view,
      feature: known?.feature ?? hex,
      ageSeconds,
      ...decode(field.value),
    };
  });
  return resolved.sort(compareFields);
}

function decode(bytes: Uint8Array): Pick<ResolvedField, 'type' | 'sizeBytes' | 'value'> {
  const sizeBytes = bytes.length;
  try {
    const { type, value } = readValue(bytes);
    return { type: value === null ? 'null' : valueTypeName(type), sizeBytes, value };
  } catch (error) {
    if (!(error instanceof EncodingError)) {
      throw error;
    }
    return { type: 'damaged', sizeBytes, value: undefined };
  }
}

/** The moment that a Redis field holds, if it is one. */
function timestampOf(name: string, value: Uint8Array): bigint | undefined {
  if (!name.startsWith(TIMESTAMP_PREFIX)) {
    return undefined;
  }
  try {
    return decodeTimestamp(value);
  } catch {
    return undefined;
  }
}

function compareFields(a: ResolvedField, b: ResolvedField): number {
  if ((a.view === undefined) !== (b.view === undefined)) {
    return a.view === undefined ? 1 : -1;
  }
  const [nameOfA, nameOfB] = [a, b].map(({ view, feature }) => `${view ?? ''}:${feature}`);
  return nameOfA! < nameOfB! ? -1 : 1;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}
