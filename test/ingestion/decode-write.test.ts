import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PushRequestSchema,
  WriteToOnlineStoreRequestSchema,
} from '../../gen/feast/serving/GrpcServer_pb.ts';
import { isSideboardError } from '../../src/errors.ts';
import { TypedColumn } from '../../src/ingestion/typed-column.ts';
import type { WriteFrame } from '../../src/ingestion/write-frame.ts';
import { decodePush, decodeWriteToOnlineStore } from '../../src/ingestion/decode-write.ts';

const int64 = { val: { case: 'int64Val' as const, value: 7n } };

/** The names and values of the one row, typed ones as their bytes. */
function valuesOf({ columns }: WriteFrame): unknown[] {
  return Array.from(columns, ([name, column]) => [
    name,
    column instanceof TypedColumn ? Buffer.from(column.valueAt(0)) : column.plain(0),
  ]);
}

describe('decodePush', () => {
  it('reads what protobuf writes', () => {
    const message = create(PushRequestSchema, {
      streamFeatureView: 'live',
      allowRegistryCache: true,
      to: 'online',
      typedFeatures: { trips: int64, Zürich: {} },
    });
    const decoded = decodePush(toBinary(PushRequestSchema, message));
    expect(decoded).toMatchObject({ name: 'live', allowRegistryCache: true, to: 'online' });
    expect(decoded.frame.rowCount).toBe(1);
    expect(valuesOf(decoded.frame)).toEqual([
      ['trips', Buffer.from('2007', 'hex')],
      ['Zürich', Buffer.alloc(0)],
    ]);
  });

  it('reads text features, and no features as no row', () => {
    const features = { a: '1', b: '' };
    const text = decodePush(toBinary(PushRequestSchema, create(PushRequestSchema, { features })));
    expect(valuesOf(text.frame)).toEqual([
      ['a', '1'],
      ['b', ''],
    ]);
    expect(decodePush(new Uint8Array(0))).toMatchObject({
      name: '',
      to: '',
      allowRegistryCache: false,
      frame: { rowCount: 0 },
    });
  });

  it('takes the last of equal names, and passes over unknown fields', () => {
    const twice = Buffer.from('f80f012a070a0161120220012a070a016112022002', 'hex');
    expect(valuesOf(decodePush(twice).frame)).toEqual([['a', Buffer.from('2002', 'hex')]]);
  });

  it('refuses very many features', () => {
    const entries = Array.from({ length: 10_001 }, (_, i) => {
      const name = `f${i}`;
      return Buffer.from([0x0a, name.length + 2, 0x0a, name.length, ...Buffer.from(name)]);
    });
    expect(decodePush(Buffer.concat(entries.slice(1))).frame.columns.size).toBe(10_000);
    expect(() => decodePush(Buffer.concat(entries))).toThrow('more than 10000 columns');
    const typed = entries.map((entry) => Buffer.from([0x2a, ...entry.subarray(1)]));
    expect(() => decodePush(Buffer.concat(typed))).toThrow('more than 10000 columns');
  });

  it('refuses values that are none', () => {
    const cut = Buffer.from('2a060a0161120120', 'hex');
    expect(() => decodePush(cut)).toThrow('the request is not a valid PushRequest');
  });

  it('refuses both maps', () => {
    const schema = WriteToOnlineStoreRequestSchema;
    const both = create(schema, { features: { a: '1' }, typedFeatures: { a: int64 } });
    expect(() => decodeWriteToOnlineStore(toBinary(schema, both))).toThrow(
      'Only one of features or typed_features may be set, not both',
    );
  });

  it('takes any bytes or refuses them with an error of ours', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodePush(bytes);
        } catch (error) {
          if (!isSideboardError(error)) throw error;
        }
      }),
    );
  });
});
