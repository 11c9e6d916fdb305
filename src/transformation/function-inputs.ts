import { columnKind } from '../definitions/column-types.ts';
import { isValueMessage } from '../feast-encoding/value-check.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { slabValue } from './column-slab.ts';
import { toColumnValue } from './column-values.ts';
import { compileInputReader } from './input-reader.ts';
import type { FunctionCall } from './run-function.ts';
import { invalidInput } from './transformation-errors.ts';

/** What a function does that its view does not say. No value shows in the message. */
export class FunctionFault extends Error {
  override readonly name = 'FunctionFault';
}

/** Name → one value per row. */
export type Columns = Readonly<Record<string, readonly unknown[]>>;

/**
 * The columns that a function is given: every input by its name, features also by their short names, where these mean one
 * feature. Types that functions do not get are left out.
 *
 * @throws SideboardError INVALID_ENTITY_VALUE for a value that is none of its column's type
 */
export function readInputs(call: FunctionCall): Columns {
  const { viewName, rowCount, firstRow = 0, inputs, values } = call;
  const columns = Object.create(null) as Record<string, readonly unknown[]>;
  const shortNames = new Map<string, string[]>();
  for (const [index, { name, shortName, valueType: declared }] of inputs.entries()) {
    const typed = Array.from({ length: rowCount }, (_, row) => {
      const encoded = slabValue(values, index * rowCount + row);
      // What was stored has been checked; JSON nests request data deeper than a message can be.
      if (isValueMessage(encoded, 0, encoded.length)) return readValue(encoded);
      throw invalidInput(viewName, name, firstRow + row, declared);
    });
    const valueType = declared || (typed.find(({ type }) => type !== 0)?.type ?? ValueType.STRING);
    const kind = columnKind(valueType);
    if (kind === undefined) continue;
    const read = compileInputReader(valueType);
    columns[name] = typed.map((value, row) => {
      const converted = read(value);
      if (converted === undefined) throw invalidInput(viewName, name, firstRow + row, valueType);
      return toColumnValue(kind, converted);
    });
    if (shortName === undefined) continue;
    const names = shortNames.get(shortName);
    if (names === undefined) shortNames.set(shortName, [name]);
    else names.push(name);
  }
  for (const [shortName, names] of shortNames) {
    if (shortName in columns) continue;
    if (names.length === 1) columns[shortName] = columns[names[0]!]!;
    else {
      Object.defineProperty(columns, shortName, {
        get() {
          throw new FunctionFault(
            `its function asks for ${shortName}, which two sources have: say ${names.join(' or ')}`,
          );
        },
      });
    }
  }
  return columns;
}

/** The columns of one row. */
export function sliceRow(columns: Columns, row: number): Columns {
  return mapColumns(columns, (values) => [values[row]]);
}

/** Copies getters as they are: those that throw are for names that mean two features. */
function mapColumns(
  columns: Columns,
  change: (values: readonly unknown[]) => readonly unknown[],
): Columns {
  const changed = Object.create(null) as Record<string, readonly unknown[]>;
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(columns))) {
    if (property.get === undefined) {
      changed[name] = change(property.value as readonly unknown[]);
    } else Object.defineProperty(changed, name, property);
  }
  return changed;
}
