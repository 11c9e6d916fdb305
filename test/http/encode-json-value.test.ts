import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ValueSchema } from '../../gen/feast/types/Value_pb.ts';
import { encodeColumn, measureColumn } from '../../src/http/encode-json-value.ts';
import { checkJson } from '../../src/http/json-syntax.ts';
import { createRandom } from '../support/random.ts';

type Message = MessageInitShape<typeof ValueSchema>;

function encode(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const column = encodeColumn('k', bytes, measureColumn(bytes, checkJson(bytes)));
  return Array.from(column.starts, (start, row) =>
    Buffer.from(column.bytes.subarray(start, column.ends[row])),
  );
}

describe('JSON as values', () => {
  it('has the bytes that protobuf gives to what the text was made of', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const random = createText(seed);
      const rows = Array.from({ length: random.below(6) }, () => random.value(0));
      const text = `[${rows.map((row) => row.text).join(',')}]`;
      const expected = rows.map(({ message }) =>
        Buffer.from(toBinary(ValueSchema, create(ValueSchema, message))),
      );
      expect(encode(text), `seed ${seed}: ${text}`).toEqual(expected);
    }
  });

  it('takes time in proportion to the text, however deep it is nested', () => {
    // Copied level by level, these would be two gigabytes.
    const deep = `${'['.repeat(190)}${']'.repeat(190)}`;
    const [value] = encode(`[[${Array.from({ length: 10_000 }, () => deep).join(',')}]]`);
    expect(value!.length).toBeGreaterThan(10_000 * 190 * 3);
  });
});

interface TextOfMessage {
  readonly text: string;
  readonly message: Message;
}

/** Values by chance, as JSON and as messages. */
function createText(seed: number): {
  below(limit: number): number;
  value(depth: number): TextOfMessage;
} {
  const random = createRandom(seed);
  const below = (limit: number): number => random.below(limit);
  const space = (): string => [' ', '\n', '\t', '', '', ''][below(6)]!;
  const string = (): { text: string; value: string } => {
    const letters = ['a', 'é', '鰯', '🚚', '"', '\\', '\n', '/', '\u0001', '\u2028'];
    const value = Array.from({ length: below(9) }, () => letters[below(letters.length)]!).join('');
    const text = JSON.stringify(value);
    const escaped = text.replace(/[^\0-\x7f]/gu, (letter) =>
      below(2) === 0 ? letter : escape(letter),
    );
    return { text: escaped, value };
  };
  const value = (depth: number): TextOfMessage => {
    switch (below(depth < 4 ? 9 : 7)) {
      case 0:
        return { text: 'null', message: {} };
      case 1: {
        const flag = below(2) === 1;
        return { text: String(flag), message: { val: { case: 'boolVal', value: flag } } };
      }
      case 2: {
        const { text, value: stringVal } = string();
        return { text, message: { val: { case: 'stringVal', value: stringVal } } };
      }
      case 3:
      case 4: {
        const integer = BigInt.asIntN(
          1 + below(64),
          (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32)),
        );
        return { text: String(integer), message: { val: { case: 'int64Val', value: integer } } };
      }
      case 5: {
        const digits = 10n ** BigInt(19 + below(10)) + BigInt(random.below(2 ** 32));
        const huge = below(2) === 0 ? digits : -digits;
        return { text: String(huge), message: { val: { case: 'stringVal', value: String(huge) } } };
      }
      case 6: {
        const sign = below(2) === 0 ? '' : '-';
        const text = `${sign}${random.below(10 ** (1 + below(9)))}.${random.below(10 ** (1 + below(9)))}${below(2) === 0 ? '' : `e${below(50) - 25}`}`;
        return { text, message: { val: { case: 'doubleVal', value: Number(text) } } };
      }
      case 7: {
        const items = Array.from({ length: below(4) }, () => value(depth + 1));
        return {
          text: `[${space()}${items.map(({ text }) => `${text}${space()}`).join(`,${space()}`)}]`,
          message: {
            val: { case: 'listVal', value: { val: items.map(({ message }) => message) } },
          },
        };
      }
      default: {
        const members = Array.from({ length: below(4) }, (_, i) => {
          const name = string();
          return {
            name: `k${i}${name.value}`,
            key: `"k${i}${name.text.slice(1)}`,
            value: value(depth + 1),
          };
        });
        return {
          text: `{${space()}${members.map(({ key, value: { text } }) => `${key}${space()}:${space()}${text}`).join(`,${space()}`)}}`,
          message: {
            val: {
              case: 'mapVal',
              value: {
                val: Object.fromEntries(
                  members.map(({ name, value: { message } }) => [name, message]),
                ),
              },
            },
          },
        };
      }
    }
  };
  return { below, value };
}

function escape(letter: string): string {
  const units = letter.split('').map((unit) => unit.charCodeAt(0).toString(16).padStart(4, '0'));
  return units.map((unit) => `\\u${unit}`).join('');
}
