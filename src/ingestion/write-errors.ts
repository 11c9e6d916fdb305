import { closestWord } from '../did-you-mean.ts';
import { SideboardError } from '../errors.ts';

/** What is wrong with a write to one feature view; never names a value. */
export function invalidWrite(viewName: string, detail: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', `feature view ${viewName}: ${detail}`);
}

const NAMED_COLUMNS = 20;
const NAME_LENGTH = 100;

/** Names for an error: the first of them, in length, and how many there are beside. */
export function listNames(names: Iterable<string>): string {
  const shown: string[] = [];
  let count = 0;
  for (const name of names) {
    if (count++ >= NAMED_COLUMNS) continue;
    shown.push(name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH)}…` : name);
  }
  const rest = count - shown.length;
  return shown.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** A frame that is none, whatever view it is for. */
export function invalidFrame(detail: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', detail);
}

/** @param known names that the caller may hear of, should one be meant. */
export function pushSourceNotFound(name: string, known: Iterable<string>): SideboardError {
  const closest = closestWord(name, known);
  const hint = closest === undefined ? '' : ` Did you mean '${closest}'?`;
  return new SideboardError(
    'PUSH_SOURCE_NOT_FOUND',
    `Unable to find push source '${name}'.${hint}`,
  );
}

/** Feast's server appends pushes to the batch source as well; that is for Feast. */
export function offlineWriteUnsupported(to: string): SideboardError {
  return new SideboardError(
    'OFFLINE_WRITE_UNSUPPORTED',
    `pushing to ${to === 'offline' ? 'the offline store' : 'online and offline store'} is not possible here: push with to = online, and append to the batch source with your pipeline or with Feast`,
  );
}

export function unknownPushTarget(to: string): SideboardError {
  return new SideboardError(
    'INVALID_REQUEST',
    `${to} is not a supported push format. Please specify one of these ['online', 'offline', 'online_and_offline'].`,
  );
}
