import { readFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ValueSchema } from '../../gen/feast/types/Value_pb.ts';
import { BodyRejected } from '../../src/http/feast-error.ts';
import { parseFeastRequest } from '../../src/http/feast-request.ts';
import type { EntityColumn } from '../../src/retrieval/retrieval-request.ts';
import { errorOf } from '../retrieval/ask.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';

const LIMITS = { maxRows: 10_000, maxCells: 2_000_000 };
const JSON_TYPE = 'application/json';

function parse(
  text: string,
  contentType: string = JSON_TYPE,
): ReturnType<typeof parseFeastRequest> {
  return parseFeastRequest(Buffer.from(text), contentType, LIMITS);
}

function rejection(run: () => unknown): { status: number; body: unknown } {
  try {
    run();
  } catch (error) {
    if (error instanceof BodyRejected) {
      return { status: error.answer.status, body: JSON.parse(error.answer.body) };
    }
    throw error;
  }
  throw new Error('was accepted');
}

function valuesOf(column: EntityColumn | undefined): unknown[] {
  return Array.from(column!.starts, (start, row) => {
    const { val } = fromBinary(ValueSchema, column!.bytes.subarray(start, column!.ends[row]));
    return val.case === undefined ? null : [val.case, val.value];
  });
}

describe('parseFeastRequest', () => {
  it('hands over what is asked for and the entity columns in order', () => {
    const request = parse(
      '{"entities": {"b": [1], "a": ["x"]}, "features": ["v:f", "v:g"], "full_feature_names": true, ' +
        '"include_feature_view_version_metadata": true, "zzz": {"deep": [1]}}',
    );
    expect(request.columns.map(({ name }) => name)).toEqual(['b', 'a']);
    expect(request.selection()).toMatchObject({
      featureService: undefined,
      features: ['v:f', 'v:g'],
      fullFeatureNames: true,
      includeVersionMetadata: true,
      entityColumnNames: ['b', 'a'],
    });
  });

  it('encodes entity values by their JSON type, without loss', () => {
    const request = parse(
      '{"entities": {"k": [1, -1, 9223372036854775807, -9223372036854775808, 9223372036854775808, 1.0, 1e2, ' +
        '"Zürich 🚚", true, false, null, NaN]}}',
    );
    expect(valuesOf(request.columns[0])).toEqual([
      ['int64Val', 1n],
      ['int64Val', -1n],
      ['int64Val', 9223372036854775807n],
      ['int64Val', -9223372036854775808n],
      ['stringVal', '9223372036854775808'],
      ['doubleVal', 1],
      ['doubleVal', 100],
      ['stringVal', 'Zürich 🚚'],
      ['boolVal', true],
      ['boolVal', false],
      null,
      ['doubleVal', NaN],
    ]);
  });

  it.each([0, -0, 127, 128, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -(2 ** 53) + 1])(
    'encodes the integer %i',
    (value) => {
      const request = parse(`{"entities": {"k": [${Object.is(value, -0) ? '-0' : value}]}}`);
      expect(valuesOf(request.columns[0])).toEqual([['int64Val', BigInt(value)]]);
    },
  );

  it('encodes arrays and objects, which only request data may be', () => {
    const request = parse('{"entities": {"k": [[1, ["a"], null], {"x": {"y": 2.5}}]}}');
    expect(valuesOf(request.columns[0])).toMatchObject([
      [
        'listVal',
        {
          val: [
            { val: { case: 'int64Val', value: 1n } },
            { val: { case: 'listVal', value: { val: [{ val: { value: 'a' } }] } } },
            { val: { case: undefined } },
          ],
        },
      ],
      ['mapVal', { val: { x: { val: { value: { val: { y: { val: { value: 2.5 } } } } } } } }],
    ]);
  });

  it('takes an empty or null feature service for none', () => {
    for (const service of ['""', 'null']) {
      const request = parse(`{"entities": {}, "feature_service": ${service}, "features": ["v:f"]}`);
      expect(request.selection()).toMatchObject({ featureService: undefined, features: ['v:f'] });
    }
    expect(parse('{"entities": {}, "feature_service": "s"}').selection().featureService).toBe('s');
  });

  it('takes request data from request_context too', () => {
    const request = parse('{"entities": {"k": [1]}, "request_context": {"amount": [2.5]}}');
    expect(valuesOf(request.contextColumns[0])).toEqual([['doubleVal', 2.5]]);
    expect(request.selection().contextColumnNames).toEqual(['amount']);
    expect(parse('{"entities": {}, "request_context": null}').contextColumns).toEqual([]);
    expect(rejection(() => parse('{"entities": {}, "request_context": [1]}')).status).toBe(422);
  });

  it('complains of everything at once, and does not repeat a long body', () => {
    const { status, body } = rejection(() =>
      parse(
        `{"features": [1, "v:f", null], "full_feature_names": 3.5, "zzz": "${'x'.repeat(10_000)}"}`,
      ),
    );
    expect(status).toBe(422);
    const { detail } = body as { detail: { type: string; loc: unknown[]; input: unknown }[] };
    expect(detail.map(({ type, loc }) => [type, ...loc])).toEqual([
      ['missing', 'body', 'entities'],
      ['string_type', 'body', 'features', 0],
      ['string_type', 'body', 'features', 2],
      ['bool_type', 'body', 'full_feature_names'],
    ]);
    expect(String(detail[0]!.input).length).toBeLessThan(2100);
  });

  it('complains of a thousand things at most', () => {
    const numbers = JSON.stringify(Array.from({ length: 5000 }, () => 1));
    const entities = JSON.stringify(
      Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 1])),
    );
    for (const text of [
      `{"entities": {}, "features": ${numbers}}`,
      `{"features": ["v:f"], "entities": ${entities}}`,
    ]) {
      const { status, body } = rejection(() => parse(text));
      expect(status).toBe(422);
      expect((body as { detail: unknown[] }).detail).toHaveLength(1000);
    }
  });

  it('refuses too many rows, values and columns, which would take memory to encode', async () => {
    const read = (entities: Record<string, unknown>) => () =>
      parseFeastRequest(Buffer.from(JSON.stringify({ features: ['v:f'], entities })), JSON_TYPE, {
        maxRows: 10,
        maxCells: 30,
      });
    const rows = Array.from({ length: 11 }, () => 1);
    expect((await errorOf(read({ k: rows }))).message).toMatch(/11 rows.*max_rows/);
    const ten = Array.from({ length: 10 }, () => 1);
    const values = await errorOf(read({ a: ten, b: ten, c: ten, d: rows.slice(1) }));
    expect(values.message).toMatch(/40 values in entities.*max_cells/);
    const columns = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`k${i}`, []]));
    expect((await errorOf(read(columns))).message).toContain('more than 10000 columns');
  });

  it('refuses millions of values inside of lists and objects', async () => {
    const list = (count: number) => `[${'1,'.repeat(count - 1)}1]`;
    const context = (value: string) => `{"entities": {}, "request_context": {"c": [${value}]}}`;
    expect(valuesOf(parse(context(list(3))).contextColumns[0])).toHaveLength(1);
    for (const value of [list(2_000_001), `[[${list(2_000_000)}]]`, `{"x": ${list(2_000_000)}}`]) {
      const error = await errorOf(() => parse(context(value)));
      expect(error.code).toBe('LIMIT_EXCEEDED');
      expect(error.message).toContain('more than 2000000 values inside of lists');
    }
  });

  it('refuses half a surrogate pair, which would be another entity once in UTF-8', () => {
    expect(rejection(() => parse('{"entities": {"k": ["\\ud83d"]}}')).status).toBe(422);
  });
});

interface RecordedRequest {
  id: string;
  note?: string;
  request: {
    http?: {
      method?: string;
      path?: string;
      body: string | null;
      body_b64?: string;
      headers?: Record<string, string>;
    };
  };
  http?: { status: number; body: string };
}

describeWithShared('parseFeastRequest against what Feast answered', () => {
  const recorded = readFileSync(
    sharedPath('golden', 'scenarios', 'services', 'responses.redis.jsonl'),
    'utf8',
  )
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordedRequest)
    .filter(
      ({ request: { http } }) =>
        http !== undefined &&
        http.method === 'POST' &&
        http.path?.split('?')[0] === '/get-online-features',
    );

  it('refuses the same bodies in the same words', () => {
    let refusedCount = 0;
    for (const { id, note, request, http: answer } of recorded) {
      const http = request.http!;
      const headers = new Map(
        Object.entries(http.headers ?? { 'Content-Type': JSON_TYPE }).map(([name, value]) => [
          name.toLowerCase(),
          value,
        ]),
      );
      const body =
        http.body_b64 === undefined
          ? Buffer.from(http.body ?? '')
          : Buffer.from(http.body_b64, 'base64');
      const run = (): unknown => parseFeastRequest(body, headers.get('content-type'), LIMITS);
      if (answer!.status === 422 || answer!.status === 400) {
        refusedCount += 1;
        expect({ id, note, ...rejection(run) }).toEqual({
          id,
          note,
          status: answer!.status,
          body: JSON.parse(answer!.body),
        });
      } else {
        expect(run, `${id} ${note}`).not.toThrow();
      }
    }
    expect(refusedCount).toBeGreaterThan(20);
  });
});
