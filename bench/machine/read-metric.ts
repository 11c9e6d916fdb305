import type { SideboardProcess } from '../../test/support/sideboard-process.ts';

/**
 * Reads a metric from a server's admin port and adds up its series; 0 where there is none yet.
 *
 * @param labels part of the labels that a series has to have, such as `result="changed"`
 */
export async function readMetric(
  server: SideboardProcess,
  name: string,
  labels = '',
): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
