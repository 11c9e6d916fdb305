import type {
  ABSENT as ABSENT_IN_STORE,
  LOST as LOST_IN_STORE,
} from '../online-store/online-store.ts';

/** What `StoredCells.starts` has for a cell that the store does not hold; the store's own mark, of which only the type is known here. */
export const ABSENT: typeof ABSENT_IN_STORE = -1;

/** The same for a cell that could not be read. */
export const LOST: typeof LOST_IN_STORE = -2;
