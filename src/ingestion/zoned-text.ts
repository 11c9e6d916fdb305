import type { ZonedTimestamp } from '../feast-encoding/typed-value.ts';
import { readMoment } from './materialization-window.ts';
import { floorDivide } from './text-scalars.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
const OFFSET = /(?:Z|([+-]\d\d)(?::?(\d\d))?)$/i;

/**
 * A moment in ISO 8601 with the zone that it names: `Z` is UTC, an offset is kept as `+02:00`, none is UTC without a name.
 *
 * @returns `undefined` where the text is no moment.
 */
export function readZonedText(text: string): ZonedTimestamp | undefined {
  const trimmed = text.trim();
  const timestampNs = readMoment(trimmed);
  if (timestampNs === undefined) {
    return undefined;
  }
  // A date alone ends like an offset.
  const offset = trimmed.length > 10 ? OFFSET.exec(trimmed) : null;
  const zone =
    offset === null ? '' : offset[1] === undefined ? 'UTC' : `${offset[1]}:${offset[2] ?? '00'}`;
  return { unixSeconds: floorDivide(timestampNs, NANOS_PER_SECOND), zone };
}
