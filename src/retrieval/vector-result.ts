/**
 * What became of the vector of one entity: read instead of its rows; not there; made of other rows than are stored now; damaged,
 * or without a value for every feature; not looked for, since there was none lately.
 */
export const VECTOR_RESULTS = ['used', 'missing', 'stale', 'unusable', 'skipped'] as const;

export const VECTOR_USED = 0;
export const VECTOR_MISSING = 1;
export const VECTOR_STALE = 2;
export const VECTOR_UNUSABLE = 3;
export const VECTOR_SKIPPED = 4;

/** Hears of every read by vectors. @param counts entities, one number per `VECTOR_RESULTS`; read at once */
export type OnVectors = (serviceName: string, counts: Uint32Array) => void;
