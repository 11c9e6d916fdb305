import { expect, it } from 'vitest';
import { DROP_IN_DEPARTURES, LEFT_DEPARTURES } from '../interop/drop-in-departures.ts';
import { guardedDeparturesOn } from '../interop/drop-in-guarded-departures.ts';
import { RANDOM_DEPARTURES } from '../interop/drop-in-random-departures.ts';
import { isDecided, OWN_DECISIONS } from './decisions.ts';
import { DEPARTURES } from './departures.ts';
import { ON_DEMAND_DEPARTURES } from './on-demand-departures.ts';
import { WRITE_DEPARTURES } from './write-departures.ts';

const NUMBERS = [
  ...DEPARTURES,
  ...ON_DEMAND_DEPARTURES,
  ...WRITE_DEPARTURES,
  ...DROP_IN_DEPARTURES,
  ...LEFT_DEPARTURES,
  ...guardedDeparturesOn('redis'),
  ...RANDOM_DEPARTURES,
].map(({ number }) => number);

it('every departure has the number of a decision', () => {
  expect(NUMBERS.filter((number) => !isDecided(number))).toEqual([]);
  expect(['12.0', '12.56', '13', '6.2', 'not served', '99'].filter(isDecided)).toEqual([]);
});

it('every decision of our own has a departure that a test computes', () => {
  const numbers = OWN_DECISIONS.map(({ number }) => number);
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(numbers.filter((number) => !NUMBERS.includes(number))).toEqual([]);
});
