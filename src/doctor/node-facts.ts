import type { StoreNode } from './find-nodes.ts';
import { textOf, type ReadOnlyNode } from './read-only-node.ts';

/** What one node says about itself. */
export interface NodeFacts {
  readonly node: StoreNode;
  readonly connection: ReadOnlyNode;
  /** `Redis 7.0.15`, `Valkey 8.0.1`. */
  readonly version: string;
  /** Major version of Redis that it behaves as. */
  readonly major: number;
  /** Availability zone, told by the operator or by the server (Valkey 8); `undefined` = neither does. */
  readonly zone: string | undefined;
  readonly keyCount: number;
  /** Everything of `INFO`, by name. */
  readonly info: ReadonlyMap<string, string>;
  /** Settings looked at, by name; `undefined` where the server does not show them (managed services). */
  readonly settings: ReadonlyMap<string, string> | undefined;
}

/** Settings that the doctor reasons about. The packing limits under both names: Redis 7 renamed them. */
const SETTINGS = [
  'cluster-require-full-coverage',
  'hash-max-listpack-entries',
  'hash-max-listpack-value',
  'hash-max-ziplist-entries',
  'hash-max-ziplist-value',
  'maxclients',
  'maxmemory',
  'maxmemory-policy',
];

/**
 * Asks a node what it is.
 *
 * @param zones address or host -> availability zone, where the operator says so.
 */
export async function readNodeFacts(
  node: StoreNode,
  connection: ReadOnlyNode,
  zones: ReadonlyMap<string, string>,
): Promise<NodeFacts> {
  const info = parseInfo(textOf(await connection.call('INFO')));
  const compatible = info.get('redis_version') ?? '';
  const valkey = info.get('valkey_version');
  const host = node.address.slice(0, node.address.lastIndexOf(':'));
  return {
    node,
    connection,
    version: valkey === undefined ? `Redis ${compatible}` : `Valkey ${valkey}`,
    major: Number.parseInt(compatible, 10),
    zone:
      zones.get(node.address) ?? zones.get(host) ?? (info.get('availability_zone') || undefined),
    keyCount: Number(await connection.call('DBSIZE')),
    info,
    settings: await readSettings(connection),
  };
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = [...text.matchAll(/^([^#:\r\n]+):([^\r\n]*)/gm)];
  return new Map(lines.map((match) => [match[1]!, match[2]!]));
}

/** One command per setting: several at once came with Redis 7. */
async function readSettings(
  connection: ReadOnlyNode,
): Promise<ReadonlyMap<string, string> | undefined> {
  const replies = await connection.pipeline(SETTINGS.map((name) => ['CONFIG', 'GET', name]));
  if (replies.every((reply) => reply instanceof Error)) {
    return undefined;
  }
  return new Map(
    replies.flatMap((reply) =>
      Array.isArray(reply) && reply.length === 2 ? [[textOf(reply[0]), textOf(reply[1])]] : [],
    ),
  );
}

/** A number of `INFO`; `NaN` where the server does not tell. */
export function infoNumber({ info }: NodeFacts, name: string): number {
  return Number(info.get(name) ?? Number.NaN);
}

/** The limits within which this node packs hashes; `undefined` = not shown. */
export function packingLimits(
  facts: NodeFacts,
): { readonly entries: number; readonly valueBytes: number } | undefined {
  const { settings } = facts;
  const entries = settings?.get(packingSetting(facts, 'entries'));
  const valueBytes = settings?.get(packingSetting(facts, 'value'));
  return entries === undefined || valueBytes === undefined
    ? undefined
    : { entries: Number(entries), valueBytes: Number(valueBytes) };
}

/** Name of a packing limit in the words of this server. */
export function packingSetting({ major }: NodeFacts, of: 'entries' | 'value'): string {
  return `hash-max-${major < 7 ? 'ziplist' : 'listpack'}-${of}`;
}
