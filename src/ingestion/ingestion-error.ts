import { SideboardError } from '../errors.ts';

/** What stands in the files of a batch source does not fit the feature view: columns, types, or (with `strict`) rows. */
export function invalidSourceData(
  viewName: string,
  detail: string,
  cause?: unknown,
): SideboardError {
  return new SideboardError('INVALID_SOURCE_DATA', `feature view ${viewName}: ${detail}`, {
    cause,
  });
}

/** A file was put in the place of one that is being read, or written over it. */
export function replacedSource(viewName: string, fileName: string): SideboardError {
  return invalidSourceData(viewName, `${fileName} was replaced while it was read; run it again`);
}

/** A feature view that only Feast itself can materialize; names the command that does. */
export function notMaterializable(viewName: string, reason: string): SideboardError {
  return new SideboardError(
    'UNSUPPORTED_OPERATION',
    `feature view ${viewName} ${reason}; materialize it with Feast: feast materialize-incremental "$(date -u +%Y-%m-%dT%H:%M:%S)" -v ${viewName}`,
  );
}

/** An argument of a materialization that cannot be meant. */
export function invalidMaterialization(detail: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', detail);
}
