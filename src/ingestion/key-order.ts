import { sortJoinKeys } from '../feast-encoding/entity-key.ts';
import { ValueType } from '../feast-encoding/value-type.ts';

/** A join key as a query has it: integers and timestamps as BIGINT. */
export interface KeyExpression {
  readonly name: string;
  readonly valueType: number;
  readonly sql: string;
}

const BYTES_OF_INTEGER = 8;
const BYTES_OF_LENGTH = 4;

/**
 * What to order rows by so that they come in the order of the bytes of their entity keys, or nearly: stores that keep keys in
 * order then write page after page. Integers and lengths are little-endian there, so their lowest byte decides first.
 */
export function orderOfKeys(keys: readonly KeyExpression[]): string[] {
  const names = sortJoinKeys(keys.map(({ name }) => name));
  return names.flatMap((wanted) => {
    const { valueType, sql } = keys.find(({ name }) => name === wanted)!;
    switch (valueType) {
      case ValueType.STRING:
        return [...littleEndian(`strlen(${sql}::VARCHAR)`, BYTES_OF_LENGTH), `${sql}::VARCHAR`];
      case ValueType.BYTES:
        return [...littleEndian(`octet_length(${sql})`, BYTES_OF_LENGTH), sql];
      default:
        return littleEndian(sql, BYTES_OF_INTEGER);
    }
  });
}

function littleEndian(sql: string, byteCount: number): string[] {
  return Array.from({ length: byteCount }, (_, i) => `((${sql}) >> ${8 * i}) & 255`);
}
