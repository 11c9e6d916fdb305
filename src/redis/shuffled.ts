import type { RedisRuntime } from './redis-runtime.ts';

/** The same items in random order, so that many clients do not all begin with the first. */
export function shuffled<T>(items: readonly T[], runtime: RedisRuntime): T[] {
  return items
    .map((item) => ({ item, place: runtime.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
