import { SideboardError } from '../errors.ts';

/**
 * A definition that cannot be applied. `subject` names the object as its author knows it (`feature view "trips"`),
 * `problem` says what is wrong and `remedy` what to write instead; both are clauses without a full stop.
 */
export function invalidDefinition(
  subject: string,
  problem: string,
  remedy: string,
): SideboardError {
  return new SideboardError('INVALID_DEFINITION', `${subject}: ${problem}; ${remedy}`);
}
