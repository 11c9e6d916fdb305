import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { GetOnlineFeaturesRequestSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import { ValueSchema } from '../../gen/feast/types/Value_pb.ts';
import { isSideboardError } from '../../src/errors.ts';
import { decodeRequest } from '../../src/retrieval/decode-request.ts';
import { packColumn, requestFromColumns } from '../../src/retrieval/request-from-columns.ts';
import type { EntityColumn, RetrievalRequest } from '../../src/retrieval/retrieval-request.ts';
import type { SelectionId } from '../../src/retrieval/selection-id.ts';
import { codeOf, encoded, encodeQuestion, errorOf, LIMITS, type ValueInit } from './ask.ts';
import { knownFields } from './conformant-parser.ts';

const decode = (message: Uint8Array) => decodeRequest(message, LIMITS);

/** What a request means, by protobuf-es, comparable. `undefined` = it is none. */
function byProtobuf(message: Uint8Array): unknown {
  const known = knownFields(GetOnlineFeaturesRequestSchema, message);
  if (known === undefined) return undefined;
  const request = fromBinary(GetOnlineFeaturesRequestSchema, known);
  const columns = (map: typeof request.entities) =>
    Object.entries(map)
      .map(
        ([name, { val }]) => [name, val.map((value) => hex(toBinary(ValueSchema, value)))] as const,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    service: request.kind.case === 'featureService' ? request.kind.value : undefined,
    features: request.kind.case === 'features' ? request.kind.value.val : [],
    full: request.fullFeatureNames,
    versions: request.includeFeatureViewVersionMetadata,
    entities: columns(request.entities),
    context: columns(request.requestContext),
  };
}

/** The same by us. */
function byUs(message: Uint8Array): unknown {
  let request: RetrievalRequest;
  try {
    request = decode(message);
    const selection = request.selection();
    return {
      service: selection.featureService,
      features: selection.features,
      full: selection.fullFeatureNames,
      versions: selection.includeVersionMetadata,
      entities: request.columns.map(plainColumn),
      context: request.contextColumns.map(plainColumn),
    };
  } catch (error) {
    if (isSideboardError(error) && error.code === 'INVALID_REQUEST') return undefined;
    throw error;
  }
}

function plainColumn({ name, bytes, starts, ends }: EntityColumn): unknown {
  const values = Array.from(starts, (start, row) => {
    const known = knownFields(ValueSchema, bytes.subarray(start, ends[row]));
    return hex(toBinary(ValueSchema, fromBinary(ValueSchema, known!)));
  });
  return [name, values];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

const anyValue: fc.Arbitrary<ValueInit | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map((n) => ['int64Val', n] as const),
  fc.string().map((text) => ['stringVal', text] as const),
  fc.double().map((n) => ['doubleVal', n] as const),
  fc.array(fc.string()).map((val) => ['stringListVal', { val }] as unknown as ValueInit),
  fc.constant(['nullVal', 0] as const),
);
const anyColumns = fc.dictionary(
  fc.string({ maxLength: 6 }),
  fc.array(anyValue, { maxLength: 4 }),
  { maxKeys: 3 },
);
const anyMessage = fc
  .record(
    {
      features: fc.array(fc.string(), { maxLength: 4 }),
      featureService: fc.string(),
      entities: anyColumns,
      requestContext: anyColumns,
      fullFeatureNames: fc.boolean(),
      includeVersions: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  .map(encodeQuestion);

/** Edits that break a message in the ways that clients and networks do. */
type Edit = (message: Uint8Array) => Uint8Array;
const anyPlace = fc.nat(10_000);
const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(anyPlace, fc.nat(255)).map(([place, byte]): Edit => (message) => {
    const copy = message.slice();
    if (copy.length > 0) copy[place % copy.length] = byte;
    return copy;
  }),
  fc.tuple(anyPlace, fc.nat(8)).map(([place, count]): Edit => (message) => {
    const at = place % (message.length + 1);
    return concat(message.subarray(0, at), message.subarray(at + count));
  }),
  fc.tuple(anyPlace, fc.uint8Array({ maxLength: 6 })).map(([place, bytes]): Edit => (message) => {
    const at = place % (message.length + 1);
    return concat(message.subarray(0, at), bytes, message.subarray(at));
  }),
  anyMessage.map(
    (other): Edit =>
      (message) =>
        concat(message, other),
  ),
);

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

describe('the same outcome as protobuf-es', { timeout: 60_000 }, () => {
  test('for whole messages, also one after the other (which merges them)', () => {
    fc.assert(
      fc.property(anyMessage, anyMessage, (one, other) => {
        expect(byUs(one)).toEqual(byProtobuf(one));
        const merged = concat(one, other);
        expect(byUs(merged)).toEqual(byProtobuf(merged));
      }),
      { numRuns: 300 },
    );
  });

  test('for damaged messages', () => {
    fc.assert(
      fc.property(
        anyMessage,
        fc.array(anyEdit, { minLength: 1, maxLength: 3 }),
        (message, edits) => {
          const damaged = edits.reduce((bytes, edit) => edit(bytes), message);
          expect(byUs(damaged)).toEqual(byProtobuf(damaged));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('for noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        expect(byUs(noise)).toEqual(byProtobuf(noise));
      }),
      { numRuns: 3000 },
    );
  });

  test('for tags written with more bytes than they need', () => {
    // Field 3 as 9a 00: key "a", no value.
    const message = Uint8Array.of(0x9a, 0x00, 0x04, 0x8a, 0x00, 0x01, 0x61);
    expect(decode(message).columns.map(({ name }) => name)).toEqual(['a']);
    expect(byUs(message)).toEqual(byProtobuf(message));
  });
});

describe('the identity of a selection', { timeout: 60_000 }, () => {
  const base = {
    features: ['v:a', 'v:b'],
    entities: { x: [['int64Val', 1n]], y: [['int64Val', 1n]] },
  } as const;
  const idOf = (question: Parameters<typeof encodeQuestion>[0]) =>
    decode(encodeQuestion(question)).selectionId;
  /** Both ways to compare agree. */
  const areEqual = (a: SelectionId, b: SelectionId) => {
    expect(a.equals(b.keep())).toBe(a.toString() === b.toString());
    return a.equals(b.keep());
  };

  test('is the same for other values', () => {
    const other = { ...base, entities: { y: [], x: [['stringVal', 'z'], undefined] } } as const;
    expect(areEqual(idOf(other), idOf(base))).toBe(true);
  });

  test.each([
    { ...base, features: ['v:a', 'v:c'] },
    { ...base, features: ['v:av:b'] },
    { ...base, fullFeatureNames: true },
    { ...base, includeVersions: true },
    { ...base, entities: { x: [] } },
    { ...base, entities: { x: [], z: [] } },
    { ...base, entities: { x: [] }, requestContext: { y: [] } },
    { ...base, entities: { 'x1:y': [] } },
    { featureService: 'v:a', entities: base.entities },
  ])('differs for another selection: %#', (other) => {
    expect(areEqual(idOf(other), idOf(base))).toBe(false);
  });

  test('is the same whatever stands in fields that nobody here knows', () => {
    const message = encodeQuestion(base);
    const plain = decode(message).selectionId;
    // Field 7, an identifier of the request; and field 1000, a text.
    for (const unknown of [
      [0x38, 0x05],
      [0x38, 0x96, 0x01],
      [0xc2, 0x3e, 0x02, 0x68, 0x69],
    ]) {
      const extra = Uint8Array.from(unknown);
      for (const spelt of [
        concat(extra, message),
        concat(message, extra),
        concat(extra, message, extra),
      ]) {
        expect(areEqual(decode(spelt).selectionId, plain)).toBe(true);
      }
    }
    // A number that only looks like `features`, which is a message.
    expect(areEqual(decode(concat(message, Uint8Array.of(0x10, 1))).selectionId, plain)).toBe(true);
  });

  test('equal identities mean equal selections', () => {
    const byId = new Map<string, unknown>();
    let before = idOf(base).keep();
    fc.assert(
      fc.property(anyMessage, (message) => {
        const request = decode(message);
        const { selectionId } = request;
        const selection = byId.get(selectionId.toString()) ?? request.selection();
        byId.set(selectionId.toString(), selection);
        expect(selectionId.equals(selectionId.keep())).toBe(true);
        expect(selectionId.equals(before)).toBe(selectionId.toString() === before.toString());
        before = selectionId.keep();
        expect(request.selection()).toEqual(selection);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('limits and errors', () => {
  test('too many rows, too many bytes: how many, and which setting', async () => {
    const message = encodeQuestion({
      features: ['v:a'],
      entities: { x: Array.from({ length: 11 }, (): ValueInit => ['int64Val', 1n]) },
    });
    const rows = await errorOf(() => decodeRequest(message, { ...LIMITS, maxRows: 10 }));
    expect(rows).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(rows.message).toMatch(/11 rows, 1 more than the 10 allowed \(setting max_rows\)/);
    const bytes = await errorOf(() => decodeRequest(message, { ...LIMITS, maxRequestBytes: 10 }));
    expect(bytes).toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    expect(bytes.message).toContain('max_request_bytes');
  });

  test('too many columns, empty ones and several of one name among them', async () => {
    // Two bytes each: of them a message may have millions.
    const columns = (tag: number, count: number) =>
      Uint8Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? tag : 0));
    expect(decode(columns(0x1a, 10_000)).columns).toHaveLength(1);
    const error = await errorOf(() => decode(concat(columns(0x1a, 6000), columns(0x2a, 6000))));
    expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(error.message).toContain('more than 10000 columns');
    const named = Array.from({ length: 10_001 }, (_, i) =>
      packColumn({ name: `x${i}`, values: [] }),
    );
    const selection = { ...decode(new Uint8Array(0)).selection(), features: ['v:a'] };
    expect(await codeOf(() => requestFromColumns(selection, named))).toBe('LIMIT_EXCEEDED');
    expect(await codeOf(() => requestFromColumns(selection, [], named))).toBe('LIMIT_EXCEEDED');
  });

  test('fields that nobody knows between all others', () => {
    const pair = Uint8Array.of(0x20, 1, 0x38, 1);
    const message = Buffer.concat(Array.from({ length: 200_000 }, () => pair));
    const request = decode(message);
    expect(request.selectionId.equals(request.selectionId.keep())).toBe(true);
    expect(request.selection().fullFeatureNames).toBe(true);
    // Each piece of an identity is read on its own.
    const reads = vi.spyOn(Buffer.prototype, 'toString');
    request.selectionId.toString();
    const readCount = reads.mock.calls.length;
    reads.mockRestore();
    expect(readCount).toBeLessThan(1000);
  });

  test('text that is not UTF-8', async () => {
    const service = Uint8Array.of(0x0a, 1, 0xff);
    expect(await codeOf(() => decode(service).selection())).toBe('INVALID_REQUEST');
    const column = Uint8Array.of(0x1a, 3, 0x0a, 1, 0xff);
    expect(await codeOf(() => decode(column))).toBe('INVALID_REQUEST');
  });

  test('an entity value that is no Value names its row and column', async () => {
    const good = encoded(['int64Val', 1n]);
    const request = create(GetOnlineFeaturesRequestSchema, { entities: { x: { val: [{}, {}] } } });
    const message = toBinary(GetOnlineFeaturesRequestSchema, request);
    expect(good).toHaveLength(2);
    // 1a 09 0a 01 78 12 04 0a 00 0a 00 → the second value becomes a cut varint.
    const damaged = Uint8Array.of(0x1a, 10, 0x0a, 1, 0x78, 0x12, 5, 0x0a, 0, 0x0a, 1, 0x20);
    expect(hex(message)).toBe('1a090a017812040a000a00');
    expect((await errorOf(() => decode(damaged))).message).toContain('row 1 of column x');
  });
});
