/** A decision of ours where Feast's servers do something else and its contract leaves the choice. */
export interface Decision {
  readonly number: string;
  readonly about: string;
  readonly feast: string;
  readonly ours: string;
  readonly why: string;
}

/** They go on from the last decision of section 12 of the contract, which is 55. */
export const OWN_DECISIONS: readonly Decision[] = [
  {
    number: '56',
    about: 'services without a version, where versioning is on',
    feast: 'read version 0, and say version 0 whichever was read',
    ours: 'read the latest version, as a plain `view:feature` does, and say which',
    why: 'one view should not have two meanings',
  },
  {
    number: '57',
    about: 'aliased views asked with the alias and the join key',
    feast: 'the column that comes last counts',
    ours: 'HTTP 400, gRPC INVALID_ARGUMENT; where another view of the request needs the join key, each view is read by its own column',
    why: 'which of two contradicting columns counts must not depend on their order',
  },
  {
    number: '58',
    about: 'nulls in lists of integers that are pushed as JSON',
    feast: 'HTTP 500: pandas makes floats of the list, which the message does not take',
    ours: '0, as Feast itself writes for a null in a list of text (`""`) or of truths (`false`)',
    why: 'a row is not lost to a null, and lists of all types do the same',
  },
  {
    number: '59',
    about: 'label views in `POST /write-to-online-store`',
    feast: 'HTTP 404: the route does not look among label views, though pushes fill them',
    ours: 'written as any other view',
    why: 'the SDK’s own `write_to_online_store` writes them',
  },
  {
    number: '60',
    about: 'vector search (`/search`, `/retrieve-online-documents`, `/v1/vector_stores`)',
    feast: 'answered, where the online store has an index',
    ours: 'HTTP 501, naming what is missing',
    why: 'features are read by entity here; nearest neighbours need an index that the stores do not have',
  },
  {
    number: '61',
    about: '`materialize-incremental` to an END before that of the last run',
    feast: 'reads nothing and records an interval that runs backwards',
    ours: 'leaves the view out and records nothing',
    why: 'nothing was done, and what reads the intervals takes them to run forwards',
  },
  {
    number: '62',
    about: 'HEAD for routes that take GET, such as `/health`',
    feast: 'HTTP 405',
    ours: 'what GET answers, without its body',
    why: 'load balancers ask so, and RFC 9110 wants it of every server',
  },
  {
    number: '63',
    about: 'bodies that are no JSON, from callers without a good token',
    feast: 'HTTP 422: the body is read before anybody asks who sent it',
    ours: 'HTTP 401',
    why: 'nothing that a stranger sent is parsed',
  },
  {
    number: '64',
    about: 'permissions of label views that a push source feeds',
    feast: 'not looked at: who may push to nothing at all may push to them',
    ours: 'WRITE_ONLINE is needed, as for every other view',
    why: 'a permission that somebody applied has to hold',
  },
  {
    number: '65',
    about: 'join keys of on-demand views that are kept in the store',
    feast: 'stored as features beside the outputs, though nobody can ask for them',
    ours: 'not stored',
    why: 'they are in the key; a row is smaller without',
  },
  {
    number: '66',
    about: 'on-demand views that are materialized, where rows of one source are beyond its TTL',
    feast: 'the entity is left out: its default offline store drops such rows when it joins',
    ours: 'computed, the features that are too old being null, as when the view is asked for online',
    why: 'a function decides itself what to make of what is not known',
  },
  {
    number: '67',
    about: 'written values that fit, and that Python’s libraries fail at',
    feast:
      'HTTP 500 for times with and without fractions in one frame (as the SDK’s own remote store sends them), whole numbers in lists of floats, integers beyond 64 bits for floats, NaN where a type has none, and lists, truths and large integers for JSON',
    ours: 'written; NaN is null',
    why: 'what a caller sent means one thing, and a row is not lost to the library that reads it',
  },
  {
    number: '68',
    about: 'what nulls make of their neighbours in a column that is written',
    feast:
      'pandas makes floats of the integers: those beyond 2^53 are rounded, the largest are HTTP 500, and all times of the column are lost (-2^63); null alone in a list of floats is 0.0, beside others NaN',
    ours: 'every value as it was sent; null in a list of floats is NaN',
    why: 'an identifier that is off by one is another one, and a value does not depend on other rows',
  },
  {
    number: '69',
    about: 'services that have a view by another name beside an on-demand view computed from it',
    feast: 'HTTP 500, gRPC UNKNOWN: the function is given the columns by that name and finds none',
    ours: 'computed as it is in services without that name',
    why: 'what a view is called in an answer does not change what is computed from it',
  },
  {
    number: '70',
    about: 'JSON features beside computed ones, a list for one entity and none for another',
    feast:
      'HTTP 500 with Redis: it makes a table of all that was read, and a column cannot hold both',
    ours: 'answered as without what is computed',
    why: 'what no function is given cannot keep it from being computed',
  },
];

/** The last decision of section 12 of the contract. */
const LAST_OF_CONTRACT = 55;

/**
 * Whether a departure's number says where it was decided: `12.N` in section 12 of the contract, `14` with what was found out
 * by running Feast, else a decision of our own.
 */
export function isDecided(number: string): boolean {
  const ofContract = /^12\.(\d+)$/.exec(number)?.[1];
  if (ofContract !== undefined)
    return Number(ofContract) >= 1 && Number(ofContract) <= LAST_OF_CONTRACT;
  return /^14( \([^)]+\))?$/.test(number) || OWN_DECISIONS.some((own) => own.number === number);
}
