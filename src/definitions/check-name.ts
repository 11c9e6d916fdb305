import { invalidDefinition } from './definition-error.ts';

/** The column under which Feast hands the event timestamp around. */
const RESERVED_FIELDS: ReadonlySet<string> = new Set(['event_timestamp']);

/**
 * Checks the name of a registry object. `kind` is the word for it, such as `feature view`.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function checkObjectName(kind: string, name: unknown): void {
  if (typeof name !== 'string' || name.trim() === '') {
    throw invalidDefinition(`${kind} without a name`, '`name` is empty', 'give it a name');
  }
  const subject = `${kind} "${name}"`;
  if (name.startsWith('__')) {
    throw invalidDefinition(
      subject,
      'names that start with "__" belong to Feast (such as "__dummy")',
      'rename it',
    );
  }
}

/**
 * Checks the name of a view or of an alias of it, which stands before the colon of a feature reference.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function checkViewName(kind: string, name: string): void {
  checkObjectName(kind, name);
  const bad = [':', '@'].find((character) => name.includes(character));
  if (bad === undefined) return;
  throw invalidDefinition(
    `${kind} "${name}"`,
    `"${bad}" separates the parts of a feature reference such as view@v2:feature`,
    'rename it without that character',
  );
}

/**
 * Checks the name of a feature, a join key or a field of request data. `subject` is the object that has it.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function checkFieldName(subject: string, what: string, name: unknown): void {
  if (typeof name !== 'string' || name.trim() === '') {
    throw invalidDefinition(subject, `a ${what} has an empty name`, 'name it');
  }
  if (name.startsWith('__')) {
    throw invalidDefinition(
      subject,
      `${what} "${name}" starts with "__", which belongs to Feast`,
      'rename it, or map the source column with fieldMapping',
    );
  }
  if (RESERVED_FIELDS.has(name)) {
    throw invalidDefinition(
      subject,
      `${what} "${name}" has a name that Feast reserves`,
      'rename it, or map the source column with fieldMapping',
    );
  }
}

/**
 * Checks the name of a project that is about to be created.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function checkProjectName(name: string): void {
  if (/^[\p{L}\p{N}][\p{L}\p{N}_]*$/u.test(name)) return;
  throw invalidDefinition(
    `project "${name}"`,
    'Feast takes letters, digits and "_", and no "_" in front',
    'change `project` in feature_store.yaml',
  );
}
