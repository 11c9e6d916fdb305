import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const schema = z.strictObject({
  name: z.string(),
  question: z.string(),
  rows: z.int().positive(),
  features: z.int().positive(),
  connections: z.int().positive(),
  streamsPerConnection: z.int().positive(),
});

/** One shape of load, from bench/scenarios/: rows x features, and how many requests are under way at once. */
export type Scenario = Readonly<z.infer<typeof schema>>;

const FOLDER = join(import.meta.dirname, '..', 'scenarios');

/** All scenarios, or those of the given names in the given order. @throws Error for a name that no file has */
export function loadScenarios(names?: readonly string[]): Scenario[] {
  const all = readdirSync(FOLDER)
    .map((file) => schema.parse(JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))))
    .sort((a, b) => a.rows * a.features - b.rows * b.features);
  if (names === undefined) return all;
  return names.map((name) => {
    const found = all.find((scenario) => scenario.name === name);
    if (found === undefined) {
      throw new Error(`no scenario ${name}; there are ${all.map((each) => each.name).join(', ')}`);
    }
    return found;
  });
}
