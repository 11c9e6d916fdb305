import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';
import { SideboardError } from '../errors.ts';
import { parseJson, type JsonValue } from '../http/json-parser.ts';
import { JsonSyntaxError } from '../http/json-syntax.ts';
import { jsonText } from '../http/json-text.ts';

/** One entity value as it stands on the command line: its text, `null` for a null. */
type ValueText = string | null;

/** How a value of a named type is made of its text; `undefined` = the text is no such value. */
const VALUE_OF_TYPE: Readonly<
  Record<string, (text: string) => MessageInitShape<typeof ValueSchema>['val'] | undefined>
> = {
  string: (text) => ({ case: 'stringVal', value: text }),
  int64: (text) => integer(text, 64, (value) => ({ case: 'int64Val', value })),
  int32: (text) => integer(text, 32, (value) => ({ case: 'int32Val', value: Number(value) })),
  unix_timestamp: (text) => integer(text, 64, (value) => ({ case: 'unixTimestampVal', value })),
  double: (text) => (isNumber(text) ? { case: 'doubleVal', value: Number(text) } : undefined),
  float: (text) => (isNumber(text) ? { case: 'floatVal', value: Number(text) } : undefined),
  bool: (text) =>
    text === 'true' || text === 'false' ? { case: 'boolVal', value: text === 'true' } : undefined,
  bytes: (text) =>
    Buffer.from(text, 'base64').toString('base64') === text
      ? { case: 'bytesVal', value: Buffer.from(text, 'base64') }
      : undefined,
};

/**
 * Entity columns from `KEY=VALUE[,VALUE…]` arguments: integers become int64, everything else string; `KEY:TYPE=…` forces
 * a type; `KEY=[…]` takes a JSON array, for values with commas and for nulls; an argument with a key that stood before
 * appends to its column.
 *
 * @returns one `Value` per row, by join key, in the order of the arguments
 * @throws SideboardError INVALID_REQUEST naming the argument
 */
export function parseEntityArguments(texts: readonly string[]): ReadonlyMap<string, Value[]> {
  const columns = new Map<string, Value[]>();
  for (const text of texts) {
    const match = /^([^=]+?)(?::([a-z0-9_]+))?=(.*)$/s.exec(text);
    if (match === null) {
      throw invalid(`"${text}" is not of the form KEY=VALUE, as in driver_id=1001,1002`);
    }
    const [, name, type, list] = match;
    const values = splitValues(list!, text).map((value) => encode(value, type, text));
    columns.set(name!, [...(columns.get(name!) ?? []), ...values]);
  }
  return columns;
}

function splitValues(list: string, argument: string): ValueText[] {
  if (!list.startsWith('[')) return list.split(',');
  let parsed: JsonValue;
  try {
    parsed = parseJson(list);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw invalid(
      `"${argument}": not a JSON array: ${error.message} (character ${error.position})`,
    );
  }
  return (parsed as readonly JsonValue[]).map((value) =>
    value === null || typeof value === 'string' ? value : jsonText(value),
  );
}

function encode(text: ValueText, type: string | undefined, argument: string): Value {
  if (text === null) return create(ValueSchema);
  if (type === undefined) {
    const val = VALUE_OF_TYPE['int64']!(text) ?? VALUE_OF_TYPE['string']!(text)!;
    return create(ValueSchema, { val });
  }
  const make = Object.hasOwn(VALUE_OF_TYPE, type) ? VALUE_OF_TYPE[type] : undefined;
  if (make === undefined) {
    const known = Object.keys(VALUE_OF_TYPE).join(', ');
    throw invalid(`"${argument}": there is no type ${type}; there are ${known}`);
  }
  const val = make(text);
  if (val === undefined) {
    throw invalid(`"${argument}": "${text}" is no ${type === 'bytes' ? 'base64' : type}`);
  }
  return create(ValueSchema, { val });
}

function integer<T>(text: string, bits: number, make: (value: bigint) => T): T | undefined {
  if (!/^-?\d{1,19}$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(bits, value) === value ? make(value) : undefined;
}

function isNumber(text: string): boolean {
  return /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text);
}

function invalid(message: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', message);
}
