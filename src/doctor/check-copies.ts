import { mebibytes } from './figures-text.ts';
import type { Finding } from './finding.ts';
import type { StoreNode } from './find-nodes.ts';
import { infoNumber, type NodeFacts } from './node-facts.ts';
import { textOf } from './read-only-node.ts';

const SLOT_COUNT = 16_384;
/** A replica further behind than this serves features that are noticeably old. */
const LAG_BYTES_NOTED = 16 * 1024 * 1024;

/** Whether the store survives the loss of a node and of a zone. */
export function checkCopies(
  nodes: readonly StoreNode[],
  facts: readonly NodeFacts[],
): readonly Finding[] {
  const findings: Finding[] = nodes
    .filter(({ problem }) => problem !== undefined)
    .map(({ address, role, problem }) => ({
      check: 'nodes',
      level: role === 'primary' ? 'error' : 'warning',
      where: address,
      message: `this ${role} cannot be examined: ${problem}`,
      remedy:
        'repair or replace it; where it is only out of reach from here, run the doctor where the servers run',
    }));
  const shards = new Set(nodes.map(({ shard }) => shard));
  for (const shard of shards) {
    const ofShard = facts
      .filter(({ node }) => node.shard === shard)
      .sort((a, b) => a.node.role.localeCompare(b.node.role));
    const replicas = nodes.filter(
      (node) => node.shard === shard && node.role === 'replica' && node.problem === undefined,
    );
    const primary = nodes.find((node) => node.shard === shard && node.role === 'primary');
    const where = primary?.address ?? `shard ${shard}`;
    if (replicas.length === 0) {
      findings.push({
        check: 'replicas',
        level: 'warning',
        where,
        message: 'has no replica: with this node its features are gone until it is back',
        remedy: 'add a replica on another machine, in another zone',
      });
      continue;
    }
    findings.push({ check: 'replicas', level: 'ok', where, message: countText(replicas.length) });
    const written = infoNumber(ofShard[0]!, 'master_repl_offset');
    findings.push(...checkZones(where, ofShard));
    findings.push(...ofShard.flatMap((copy) => checkLink(copy, written)));
  }
  return findings;
}

function countText(count: number): string {
  return count === 1 ? 'has 1 replica' : `has ${count} replicas`;
}

function checkZones(where: string, copies: readonly NodeFacts[]): readonly Finding[] {
  const check = 'zones';
  const zones = new Set(copies.map(({ zone }) => zone));
  if (!zones.has(undefined)) {
    const names = [...zones].join(', ');
    return zones.size > 1
      ? [{ check, level: 'ok', where, message: `copies in ${names}` }]
      : [
          {
            check,
            level: 'warning',
            where,
            message: `all ${copies.length} copies of the shard are in zone ${names}`,
            remedy: 'move a replica to another zone',
          },
        ];
  }
  const hosts = new Set(copies.map(({ node }) => hostOf(node.address)));
  return hosts.size === 1
    ? [
        {
          check,
          level: 'warning',
          where,
          message: `all ${copies.length} copies of the shard are on host ${[...hosts][0]}`,
          remedy: 'place replicas on other machines, in other zones',
        },
      ]
    : [
        {
          check,
          level: 'unknown',
          where,
          message: 'the servers do not say in which availability zone they are',
          remedy: 'tell the doctor: redis_zones in the configuration, or --zone HOST=ZONE',
        },
      ];
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}

/**
 * Whether a replica follows its primary.
 *
 * @param writtenOffset how far its primary has written, in bytes of replication.
 */
function checkLink(facts: NodeFacts, writtenOffset: number): readonly Finding[] {
  if (facts.info.get('role') !== 'slave') {
    return [];
  }
  const where = facts.node.address;
  if (facts.info.get('master_link_status') !== 'up') {
    return [
      {
        check: 'replicas',
        level: 'warning',
        where,
        message: `this replica has lost its primary ${facts.info.get('master_link_down_since_seconds') ?? '?'} s ago: what it serves gets old, and it may not take over`,
        remedy:
          'look at its log; repl-backlog-size and client-output-buffer-limit replica are the usual causes',
      },
    ];
  }
  const behind = writtenOffset - infoNumber(facts, 'slave_repl_offset');
  return behind > LAG_BYTES_NOTED
    ? [
        {
          check: 'replicas',
          level: 'warning',
          where,
          message: `this replica is ${mebibytes(behind)} of changes behind its primary`,
          remedy: 'write in smaller portions, or give it more CPU',
        },
      ]
    : [];
}

/** Whether every slot is served, and what a lost shard does to the others. */
export async function checkSlots(facts: readonly NodeFacts[]): Promise<readonly Finding[]> {
  const primary = facts.find(({ node }) => node.role === 'primary');
  if (primary === undefined) {
    return [];
  }
  const text = textOf(await primary.connection.call('CLUSTER', 'INFO'));
  const number = (name: string): number =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
  const served = number('cluster_slots_ok');
  const findings: Finding[] = [
    text.includes('cluster_state:ok') && served === SLOT_COUNT
      ? {
          check: 'slots',
          level: 'ok',
          message: `all ${SLOT_COUNT} slots are served by ${number('cluster_size')} shards`,
        }
      : {
          check: 'slots',
          level: 'error',
          message: `${served} of ${SLOT_COUNT} slots are served`,
          remedy: 'redis-cli --cluster check, and --cluster fix where it says so',
        },
  ];
  if (facts.some(({ settings }) => settings?.get('cluster-require-full-coverage') === 'yes')) {
    findings.push({
      check: 'slots',
      level: 'warning',
      message:
        'one lost shard takes all others with it (cluster-require-full-coverage yes): every read fails while any slot is not served',
      remedy: 'CONFIG SET cluster-require-full-coverage no on every node',
    });
  }
  return findings;
}
