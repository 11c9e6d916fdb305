import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PushRequestSchema,
  WriteToOnlineStoreRequestSchema,
} from '../../gen/feast/serving/GrpcServer_pb.ts';
import { isSideboardError } from '../../src/errors.ts';
import { decodePush, decodeWriteToOnlineStore } from '../../src/ingestion/decode-write.ts';

const int64 = { val: { case: 'int64Val' as const, value: 7n } };

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
    expect([...decoded.frame.columns]).toEqual([
      ['trips', { kind: 'typed', values: [Buffer.from('2007', 'hex')] }],
      ['Zürich', { kind: 'typed', values: [Buffer.alloc(0)] }],
    ]);
  });

  it('reads text features, and no features as no row', () => {
    const features = { a: '1', b: '' };
    const text = decodePush(toBinary(PushRequestSchema, create(PushRequestSchema, { features })));
    expect([...text.frame.columns]).toEqual([
      ['a', { kind: 'plain', values: ['1'] }],
      ['b', { kind: 'plain', values: [''] }],
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
    expect([...decodePush(twice).frame.columns]).toEqual([
      ['a', { kind: 'typed', values: [Buffer.from('2002', 'hex')] }],
    ]);
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
