import { mebibytes } from './figures-text.ts';
import type { Finding } from './finding.ts';
import { infoNumber, packingLimits, type NodeFacts } from './node-facts.ts';

/** Share of a limit from which on it is worth a word. */
const NEARLY_FULL = 0.8;

/** What the nodes say about themselves, one by one and beside each other. */
export function checkNodes(nodes: readonly NodeFacts[]): readonly Finding[] {
  return [
    ...checkVersions(nodes),
    ...checkSettingsAgree(nodes),
    ...nodes.flatMap((facts) => [
      ...checkMemory(facts),
      ...checkEviction(facts),
      ...checkConnections(facts),
    ]),
  ];
}

function checkVersions(nodes: readonly NodeFacts[]): readonly Finding[] {
  const versions = countBy(nodes.map(({ version }) => version));
  const all = [...versions]
    .map(([version, count]) => `${version} on ${nodeCount(count)}`)
    .join(', ');
  const findings: Finding[] =
    versions.size > 1
      ? [
          {
            check: 'versions',
            level: 'warning',
            message: `the nodes run different versions: ${all}`,
            remedy:
              'finish the upgrade: a failover to another version changes encodings and commands',
          },
        ]
      : [{ check: 'versions', level: 'ok', message: all }];
  if (nodes.some(({ major }) => major < 6)) {
    findings.push({
      check: 'versions',
      level: 'warning',
      message: 'Redis before 6 knows neither users nor TLS nor the protocol RESP3',
      remedy: 'upgrade',
    });
  }
  return findings;
}

function checkSettingsAgree(nodes: readonly NodeFacts[]): readonly Finding[] {
  const hidden = nodes.filter(({ settings }) => settings === undefined);
  const findings: Finding[] = hidden.map(({ node }) => ({
    check: 'settings',
    level: 'unknown',
    where: node.address,
    message:
      'does not show its settings (CONFIG GET): eviction, limits and packing are seen by their effects only',
  }));
  for (const [what, of] of [
    ['packing of hashes', packingText],
    ['maxmemory-policy', (facts: NodeFacts) => facts.settings?.get('maxmemory-policy')],
  ] as const) {
    const values = countBy(nodes.flatMap((facts) => of(facts) ?? []));
    if (values.size > 1) {
      findings.push({
        check: 'settings',
        level: 'warning',
        message: `nodes differ in ${what}: ${[...values].map(([value, count]) => `${value} on ${nodeCount(count)}`).join(', ')}`,
        remedy: 'set the same everywhere, replicas too: after a failover the replica’s applies',
      });
    }
  }
  return findings;
}

function packingText(facts: NodeFacts): string | undefined {
  const limits = packingLimits(facts);
  return limits === undefined ? undefined : `${limits.entries} fields / ${limits.valueBytes} bytes`;
}

function checkMemory(facts: NodeFacts): readonly Finding[] {
  const used = infoNumber(facts, 'used_memory');
  const limit = infoNumber(facts, 'maxmemory');
  const system = infoNumber(facts, 'total_system_memory');
  const where = facts.node.address;
  const check = 'memory';
  if (limit === 0) {
    const isShort = used > system * NEARLY_FULL;
    return [
      {
        check,
        level: isShort ? 'error' : 'advice',
        where,
        message: `has no memory limit and uses ${mebibytes(used)} of the machine’s ${mebibytes(system)}: when that is full the system ends it`,
        remedy:
          'set maxmemory below the machine’s memory, with room for replication and a background save',
      },
    ];
  }
  if (!(limit > 0)) {
    return [{ check, level: 'unknown', where, message: 'does not say how much memory it may use' }];
  }
  const share = used / limit;
  const message = `uses ${mebibytes(used)} of ${mebibytes(limit)} (${Math.round(share * 100)} %)`;
  if (share < NEARLY_FULL) {
    return [{ check, level: 'ok', where, message }];
  }
  const remedy =
    'give it more memory, or store less (--json names the widest entities); writes fail when it is full and nothing may be evicted';
  return [{ check, level: share >= 1 ? 'error' : 'warning', where, message, remedy }];
}

function checkEviction(facts: NodeFacts): readonly Finding[] {
  const where = facts.node.address;
  const check = 'eviction';
  const policy = facts.settings?.get('maxmemory-policy') ?? facts.info.get('maxmemory_policy');
  const evicted = infoNumber(facts, 'evicted_keys');
  const findings: Finding[] = [];
  if (evicted > 0) {
    findings.push({
      check,
      level: 'error',
      where,
      message: `has thrown away ${evicted} keys for want of memory since it started (maxmemory-policy ${policy}): their features read as missing`,
      remedy: 'give it more memory and materialize again',
    });
  }
  if (policy === undefined) {
    findings.push({ check, level: 'unknown', where, message: 'does not say its eviction policy' });
  } else if (policy.startsWith('allkeys-')) {
    findings.push({
      check,
      level: 'warning',
      where,
      message: `throws features away when memory is short (maxmemory-policy ${policy})`,
      remedy:
        'maxmemory-policy noeviction, or volatile-lfu where every key has a time to live; a full store then refuses writes, and reads stay right',
    });
  } else {
    findings.push({ check, level: 'ok', where, message: `maxmemory-policy ${policy}` });
  }
  return findings;
}

function checkConnections(facts: NodeFacts): readonly Finding[] {
  const clients = infoNumber(facts, 'connected_clients');
  const limit = Number(facts.settings?.get('maxclients') ?? facts.info.get('maxclients'));
  const rejected = infoNumber(facts, 'rejected_connections');
  const where = facts.node.address;
  const findings: Finding[] = [];
  if (rejected > 0) {
    findings.push({
      check: 'connections',
      level: 'warning',
      where,
      message: `has turned away ${rejected} connections since it started (maxclients ${limit})`,
      remedy: 'raise maxclients, or find who opens so many (CLIENT LIST)',
    });
  }
  if (clients > limit * NEARLY_FULL) {
    findings.push({
      check: 'connections',
      level: 'warning',
      where,
      message: `${clients} of ${limit} possible connections are open`,
      remedy: 'raise maxclients before servers are turned away',
    });
  }
  return findings;
}

function nodeCount(count: number): string {
  return count === 1 ? '1 node' : `${count} nodes`;
}

function countBy(values: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) {
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}
