import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ValueSchema } from '../../gen/feast/types/Value_pb.ts';
import { EncodingError } from '../../src/feast-encoding/encoding-error.ts';
import { GrowingBytes } from '../../src/feast-encoding/growing-bytes.ts';
import type { ScalarMapPair, TypedValue } from '../../src/feast-encoding/typed-value.ts';
import { isValueMessage } from '../../src/feast-encoding/value-check.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { createScannedValue, scanValue } from '../../src/feast-encoding/value-scan.ts';
import { ValueType, valueTypeName, valueTypeNumber } from '../../src/feast-encoding/value-type.ts';
import {
  appendTypedValue,
  writeTypedValue,
  writeValue,
} from '../../src/feast-encoding/value-writer.ts';
import { describeWithShared } from '../support/shared.ts';
import { goldenLines } from './golden-lines.ts';
import { protobufJson } from './protobuf-json.ts';
import { judge } from './wire-oracle.ts';

interface GoldenValue {
  readonly id: string;
  readonly note: string;
  readonly kind: 'encode' | 'decode';
  readonly bytes_b64: string;
  readonly accepted?: boolean;
  readonly which?: string | null;
  readonly protobuf_json?: object;
  readonly reserialized_without_unknown_b64?: string;
}

describeWithShared('golden values', () => {
  const lines = goldenLines<GoldenValue>('values.jsonl');
  const encoded = lines.filter((line) => line.kind === 'encode');
  const decoded = lines.filter((line) => line.kind === 'decode');

  it('has the vectors', () => {
    expect([encoded.length, decoded.length]).toEqual([336, 131]);
  });

  it.each(encoded)('$id reads and writes $note', (line) => {
    const bytes = Buffer.from(line.bytes_b64, 'base64');
    expect(isValueMessage(bytes, 0, bytes.length)).toBe(true);
    const value = readValue(bytes);
    expect(protobufJson(value)).toEqual(line.protobuf_json);
    if (line.note === 'double NaN with payload') {
      // JavaScript does not keep the payload of a NaN; the read path never decodes one.
      expect(value.value).toBeNaN();
      return;
    }
    expect(Buffer.from(writeTypedValue(value)).toString('base64')).toBe(line.bytes_b64);
  });

  it.each(decoded)('$id judges $note', (line) => {
    const bytes = Buffer.from(line.bytes_b64, 'base64');
    expect(isValueMessage(bytes, 0, bytes.length)).toBe(line.accepted);
    if (line.accepted !== true) {
      expect(() => readValue(bytes)).toThrow(EncodingError);
      return;
    }
    if (line.note.includes('map entry with unknown field')) {
      return; // upb moves the whole entry to the unknown fields, which no other parser does.
    }
    if (line.note === 'null_val = 5 (unknown enum number)') {
      expect(readValue(bytes)).toEqual({ type: ValueType.NULL, value: null });
      return; // A null by any number is a null.
    }
    const value = readValue(bytes);
    expect(protobufJson(value)).toEqual(line.protobuf_json);
    const scanned = createScannedValue();
    expect(scanValue(bytes, 0, bytes.length, scanned)).toBe(true);
    expect(scanned.valueType).toBe(value.type);
  });
});

/** Encoded values of every member: the seeds that the fuzzers below bend. */
const typedBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((v) => writeValue(ValueType.INT64, v)),
  fc.double().map((v) => writeValue(ValueType.DOUBLE, v)),
  fc.float().map((v) => writeValue(ValueType.FLOAT, v)),
  fc.boolean().map((v) => writeValue(ValueType.BOOL, v)),
  fc.string({ unit: 'binary', maxLength: 80 }).map((v) => writeValue(ValueType.STRING, v)),
  fc.uint8Array().map((v) => writeValue(ValueType.BYTES, v)),
  fc.array(fc.integer()).map((v) => writeValue(ValueType.INT32_LIST, v)),
  fc.array(fc.double()).map((v) => writeValue(ValueType.DOUBLE_SET, v)),
  fc.array(fc.float()).map((v) => writeValue(ValueType.FLOAT_LIST, v)),
  fc.array(fc.string()).map((v) => writeValue(ValueType.STRING_LIST, v)),
  fc
    .array(fc.tuple(fc.string(), fc.integer()))
    .map((pairs) =>
      writeValue(
        ValueType.MAP,
        new Map(pairs.map(([key, value]) => [key, { type: ValueType.INT32, value }])),
      ),
    ),
  fc.array(fc.string()).map((texts) =>
    writeValue(
      ValueType.VALUE_LIST,
      texts.map((text) => ({ type: ValueType.STRING_LIST, value: [text] })),
    ),
  ),
  fc.array(fc.integer()).map((numbers) =>
    writeValue(
      ValueType.SCALAR_MAP,
      numbers.map((n): ScalarMapPair => [
        { type: ValueType.INT32, value: n },
        { type: ValueType.BOOL, value: n > 0 },
      ]),
    ),
  ),
  fc
    .tuple(fc.bigInt({ min: -1000n, max: 1000n }), fc.string())
    .map(([unixSeconds, zone]) => writeValue(ValueType.ZONED_TIMESTAMP, { unixSeconds, zone })),
);

const bentBytes = fc
  .tuple(
    typedBytes,
    typedBytes,
    fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(3)), { maxLength: 3 }),
  )
  .map(([first, second, edits]) => {
    let bytes = Buffer.concat([first, second]);
    for (const [position, byte, kind] of edits) {
      const at = bytes.length === 0 ? 0 : position % bytes.length;
      if (kind === 0) {
        bytes = bytes.subarray(0, at);
      } else if (kind === 1) {
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at)]);
      } else if (bytes.length > 0) {
        bytes[at] = kind === 2 ? byte : bytes[at]! ^ (1 << (byte & 7));
      }
    }
    return bytes;
  });

describe('isValueMessage against the protobuf library', () => {
  it.each([
    ['arbitrary bytes', fc.uint8Array({ maxLength: 24 })],
    ['bent values', bentBytes],
  ])('agrees on %s', (_, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (bytes) => {
        const accepted = isValueMessage(bytes, 0, bytes.length);
        const oracle = judge(ValueSchema, bytes);
        if (accepted !== oracle.accepted) {
          // The library's reader is laxer than upb in one way: it takes tags and lengths of more than five bytes or 32
          // bits. Accepting more than the oracle would hand a client bytes that it cannot read.
          expect([accepted, hasLongTagOrLength(bytes)]).toEqual([false, true]);
        } else if (accepted && !oracle.hasForeignWireType) {
          const message = fromBinary(ValueSchema, bytes);
          expect(valueTypeName(readValue(bytes).type)).toBe(caseTypeName(message.val.case));
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('judges a value inside other bytes by its own range', () => {
    fc.assert(
      fc.property(typedBytes, fc.uint8Array(), fc.uint8Array(), (bytes, before, after) => {
        const all = Buffer.concat([before, bytes, after]);
        const end = before.length + bytes.length;
        expect(isValueMessage(all, before.length, end)).toBe(true);
        const scanned = createScannedValue();
        expect(scanValue(all, before.length, end, scanned)).toBe(true);
        expect(scanned.valueType).toBe(readValue(bytes).type);
      }),
    );
  });
});

describe('readValue', () => {
  it('joins a list that comes in very many parts', () => {
    const count = 300_000;
    // `int32_list_val` of one number.
    const parts = Buffer.alloc(4 * count, Uint8Array.of(0x6a, 2, 8, 7));
    const { type, value } = readValue(parts);
    expect(type).toBe(ValueType.INT32_LIST);
    expect((value as readonly number[]).length).toBe(count);
  });
});

describe('lists of very many items', () => {
  const inLittleMemory = async (code: string): Promise<unknown> => {
    const folder = new URL('../../src/feast-encoding/', import.meta.url).href;
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       (async () => {
         const { readValue } = await import('${folder}value-reader.ts');
         const { writeValue } = await import('${folder}value-writer.ts');
         parentPort.postMessage((${code})(readValue, writeValue));
       })();`,
      { eval: true, resourceLimits: { maxOldGenerationSizeMb: 300 } },
    );
    const [message] = (await once(worker, 'message')) as [unknown];
    return message;
  };

  it('are read without an object for each', async () => {
    const code = `(readValue) => {
      const items = Buffer.alloc(8 * 1024 * 1024, '0a00', 'hex');
      const list = readValue(Buffer.concat([Buffer.from('6280808004', 'hex'), items]));
      return [list.value.length, readValue(Buffer.alloc(8 * 1024 * 1024, '6200', 'hex')).value];
    }`;
    expect(await inLittleMemory(code)).toEqual([4 * 1024 * 1024, []]);
  });

  it('are written without an object for each', async () => {
    const code = `(_, writeValue) =>
      [13, 12, 42].map((type) => {
        const item = { 13: 7, 12: '', 42: { type: 12, value: [] } }[type];
        return writeValue(type, Array(3_000_000).fill(item)).length > 3_000_000;
      })`;
    expect(await inLittleMemory(code)).toEqual([true, true, true]);
  });
});

describe('scanValue', () => {
  it('gives both halves of every int64, however many bytes its varint takes', () => {
    const scanned = createScannedValue();
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const bytes = toBinary(
          ValueSchema,
          create(ValueSchema, { val: { case: 'int64Val', value } }),
        );
        expect(scanValue(bytes, 0, bytes.length, scanned)).toBe(true);
        const bits = (BigInt(scanned.high) << 32n) | BigInt(scanned.low >>> 0);
        expect(bits).toBe(value);
      }),
    );
  });
});

describe('appendTypedValue', () => {
  it('writes behind what is there what writeTypedValue gives', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 80 });
    const strings = texts.map((value) => ({ type: ValueType.STRING, value }));
    const ascii = fc.string({ maxLength: 40 }).map((value) => ({ type: ValueType.JSON, value }));
    const others = typedBytes.map((bytes) => readValue(bytes));
    const nothing = fc.constantFrom(
      { type: ValueType.NULL, value: null },
      { type: ValueType.INT64, value: null },
      { type: ValueType.INVALID, value: null },
    );
    const any: fc.Arbitrary<TypedValue> = fc.oneof(strings, ascii, others, nothing);
    fc.assert(
      fc.property(fc.array(any, { maxLength: 200 }), (values) => {
        const out = new GrowingBytes();
        for (const value of values) appendTypedValue(out, value);
        const expected = Buffer.concat(values.map((value) => writeTypedValue(value)));
        expect(out.bytes.subarray(0, out.at).equals(expected)).toBe(true);
      }),
    );
  });

  it('leaves the end where it was when a value does not fit', () => {
    const out = new GrowingBytes();
    const unfit = [
      { type: ValueType.STRING, value: '\ud800' },
      { type: ValueType.INT32, value: 2n ** 31n },
      { type: ValueType.DOUBLE, value: 'x' },
      { type: ValueType.BOOL, value: 1 },
    ];
    for (const value of unfit) {
      expect(() => appendTypedValue(out, value)).toThrow(EncodingError);
      expect(out.at).toBe(0);
    }
  });
});

describe('writeValue', () => {
  const { MAP, MAP_LIST, STRING, VALUE_LIST, SCALAR_MAP } = ValueType;
  const inside: readonly [string, (item: TypedValue) => TypedValue][] = [
    ['maps', (item) => ({ type: MAP, value: new Map([['a', item]]) })],
    ['lists of maps', (item) => ({ type: MAP_LIST, value: [new Map([['a', item]])] })],
    ['lists', (item) => ({ type: VALUE_LIST, value: [item] })],
    ['scalar maps', (item) => ({ type: SCALAR_MAP, value: [[{ type: 3, value: 1 }, item]] })],
  ];

  it.each(inside)('writes %s inside of each other only as deep as they are read', (_what, wrap) => {
    let value: TypedValue = { type: STRING, value: 'x'.repeat(1000) };
    let written = 0;
    for (let depth = 1; depth < 5000; depth++) {
      value = wrap(value);
      if (depth > 60 && depth < 4990) continue;
      let bytes: Uint8Array | undefined;
      try {
        bytes = writeTypedValue(value);
      } catch (error) {
        expect(error).toBeInstanceOf(EncodingError);
        continue;
      }
      expect(depth).toBe(++written);
      expect(readValue(bytes)).toEqual(value);
    }
    expect(written).toBeGreaterThanOrEqual(24);
    expect(written).toBeLessThanOrEqual(50);
  });

  it('equals the protobuf library for wide text and long lists', () => {
    const text = 'Zürich 日本 😀'.repeat(40);
    const list = Array.from({ length: 1000 }, (_, i) => BigInt(i) * 12345678901n);
    expectSame(writeValue(ValueType.STRING, text), { case: 'stringVal', value: text });
    expectSame(writeValue(ValueType.INT64_LIST, list), {
      case: 'int64ListVal',
      value: { $typeName: 'feast.types.Int64List', val: list },
    });
  });

  it.each([
    [ValueType.INT32, 2 ** 31],
    [ValueType.INT32, 1.5],
    [ValueType.INT64, 2n ** 63n],
    [ValueType.INT64, 'seven'],
    [ValueType.BOOL, 1],
    [ValueType.STRING, '\ud800'],
    [ValueType.BYTES, 'text'],
    [ValueType.DOUBLE, 1n],
    [ValueType.INT64_LIST, 7],
    [ValueType.MAP, 'x'],
    [ValueType.PDF_BYTES, 'x'],
  ])('refuses for type %i what it does not hold', (type, value) => {
    expect(() => writeValue(type, value)).toThrow(EncodingError);
  });

  it('writes a null as nothing in every type but NULL', () => {
    expect(writeValue(ValueType.INT64, null)).toHaveLength(0);
    expect(writeValue(ValueType.NULL, null)).toEqual(Uint8Array.of(0x98, 0x01, 0x00));
  });
});

function expectSame(
  bytes: Uint8Array,
  val: NonNullable<Parameters<typeof create<typeof ValueSchema>>[1]>['val'] & {},
): void {
  const oracle = toBinary(ValueSchema, create(ValueSchema, { val }));
  expect(Buffer.from(bytes).equals(oracle)).toBe(true);
}

function caseTypeName(which: string | undefined): string {
  if (which === undefined) {
    return 'INVALID';
  }
  const snake = which.replace(/Val$/, '').replace(/[A-Z]/g, (letter) => `_${letter}`);
  const name = { LIST: 'VALUE_LIST', SET: 'VALUE_SET' }[snake.toUpperCase()] ?? snake.toUpperCase();
  expect(valueTypeNumber(name)).toBeDefined();
  return name;
}

/** Whether a run of continuation bytes is long enough to be a tag or length that upb refuses. */
function hasLongTagOrLength(bytes: Uint8Array): boolean {
  return /(?:[89a-f][0-9a-f]){4}(?:[1-9a-f][0-9a-f])/.test(Buffer.from(bytes).toString('hex'));
}
