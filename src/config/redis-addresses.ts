import type { RedisNode } from './config.ts';
import type { ProblemList } from './configuration-error.ts';
import type { SettingName } from './settings.ts';

/** `host:port`, IPv6 in brackets; `undefined` for anything else. */
export function parseRedisAddress(text: string): RedisNode | undefined {
  const [, bracketed, bare, portText] =
    /^(?:\[([\da-fA-F:.%\w]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = bracketed ?? bare;
  const port = Number(portText);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** The value of a setting that lists nodes. */
export function readRedisAddresses(
  name: SettingName,
  texts: readonly string[],
  problems: ProblemList,
): RedisNode[] {
  return texts.flatMap((text) => {
    const node = parseRedisAddress(text);
    if (node === undefined) complain(problems, name, `${text} is no host:port`);
    return node === undefined ? [] : [node];
  });
}

/** `redis_nat_map`: where nodes are reached, by the address that they announce. */
export function readNatMap(
  texts: readonly string[],
  problems: ProblemList,
): { readonly announced: string; readonly host: string; readonly port: number }[] {
  return pairsOf('redis_nat_map', texts, problems).flatMap(([announced, reached]) => {
    const node = parseRedisAddress(reached);
    if (node === undefined) complain(problems, 'redis_nat_map', `${reached} is no host:port`);
    return node === undefined ? [] : [{ announced, ...node }];
  });
}

/** `redis_zones`: zones by `host:port` or host. */
export function readZones(
  texts: readonly string[],
  problems: ProblemList,
): { readonly address: string; readonly zone: string }[] {
  return pairsOf('redis_zones', texts, problems).map(([address, zone]) => ({ address, zone }));
}

function pairsOf(
  name: SettingName,
  texts: readonly string[],
  problems: ProblemList,
): (readonly [string, string])[] {
  return texts.flatMap((text) => {
    const at = text.indexOf('=');
    const pair = [text.slice(0, at).trim(), text.slice(at + 1).trim()] as const;
    if (at > 0 && pair[1] !== '') return [pair];
    complain(problems, name, `${text} has no = in it, with something on both sides`);
    return [];
  });
}

function complain(problems: ProblemList, name: SettingName, message: string): void {
  problems.addAt(['sideboard', name], `sideboard.${name}: ${message}`);
}
