import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import type { RedisConnectionOptions } from '../online-store/redis-client.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { advisePacking } from './advise-packing.ts';
import { checkShards, checkSlotSkew, countSlots } from './check-balance.ts';
import { checkCopies, checkSlots } from './check-copies.ts';
import { byBytes, byHash, checkEntities } from './check-entities.ts';
import { checkNodes } from './check-nodes.ts';
import { checkViews } from './check-views.ts';
import { FINDING_LEVELS, type Finding } from './finding.ts';
import { findNodes, type StoreNode } from './find-nodes.ts';
import { readNodeFacts, type NodeFacts } from './node-facts.ts';
import { measurePacking, type PackingFigures } from './packing-figures.ts';
import { sampleShard, type SampleLimits, type ShardSample } from './sample-entities.ts';
import { startScratchRedis, type ScratchRedis } from './scratch-redis.ts';

/** What bounds an examination. */
export interface ExaminationLimits extends SampleLimits {
  /** Slots whose keys are counted. */
  readonly slots: number;
  /** Hashes per entity that reads are timed on. */
  readonly timedHashes: number;
  /** Reads timed per entity. */
  readonly reads: number;
  /** After so long nothing new is begun, and the report says what is missing. */
  readonly budgetMs: number;
}

export interface ExaminationOptions {
  readonly store: RedisConnectionOptions & { readonly keyTtlSeconds: number | undefined };
  readonly snapshot: RegistrySnapshot;
  readonly entityKeyVersion: EntityKeyVersion;
  readonly limits: ExaminationLimits;
  /** Address or host -> availability zone. */
  readonly zones: ReadonlyMap<string, string>;
  /** Whether copies may be measured in a Redis of the doctor's own. */
  readonly useScratch: boolean;
  /** Whether findings name keys as they are, with the entity's values in them. */
  readonly showKeys: boolean;
  /** Since the epoch, UTC. */
  readonly nowSeconds: number;
  /** Called as each step begins: its name, and its place among all. */
  readonly onStep: (name: string, step: number, steps: number) => void;
}

/** Everything that the doctor found. */
export interface Examination {
  /** Version of this shape. */
  readonly schema: 1;
  readonly project: string;
  readonly store: string;
  readonly nodes: readonly {
    readonly address: string;
    readonly role: StoreNode['role'];
    readonly shard: number;
    readonly version: string | undefined;
    readonly zone: string | undefined;
    readonly keys: number | undefined;
  }[];
  readonly sampled: {
    readonly keys: number;
    readonly entities: number;
    readonly hashesReadWhole: number;
    readonly slots: number;
    /** Whether the time was up before all was looked at. */
    readonly isCutShort: boolean;
    /** What copies were measured in; `undefined` = nothing, the other encoding is estimated. */
    readonly measuredIn: string | undefined;
  };
  /** Gravest first. */
  readonly findings: readonly Finding[];
  readonly packing: readonly PackingFigures[];
}

const STEPS = ['nodes', 'slots', 'keys', 'encodings', 'views'];

/**
 * Looks at a Redis store as a whole without changing anything in it: its nodes, what lies where, what the hashes are made
 * of and what reading them costs.
 *
 * @throws SideboardError ONLINE_STORE_UNAVAILABLE where no node answers.
 */
export async function examineRedis(options: ExaminationOptions): Promise<Examination> {
  const endAtMs = performance.now() + options.limits.budgetMs;
  const isTimeUp = (): boolean => performance.now() > endAtMs;
  const begin = (step: number): void => options.onStep(STEPS[step]!, step, STEPS.length);
  begin(0);
  const { nodes, close } = await findNodes(options.store);
  try {
    const { facts, findings } = await readFacts(nodes, zonesOf(options));
    const primaries = facts.filter(({ node }) => node.role === 'primary');
    const isCluster = options.store.kind === 'redis_cluster';
    findings.push(...checkCopies(nodes, facts), ...checkNodes(facts), ...checkShards(primaries));
    begin(1);
    if (isCluster) findings.push(...(await checkSlots(facts)));
    const slots = await countSlots(isCluster ? primaries : [], options.limits.slots, isTimeUp);
    begin(2);
    const samples = await sampleAll(primaries, options, isTimeUp);
    const entities = samples.flatMap((sample) => sample.entities);
    findings.push(...checkSlotSkew(slots, tagShare(samples)));
    const nameOf = options.showKeys ? byBytes : byHash;
    findings.push(...checkEntities(samples, options.store.keyTtlSeconds, nameOf));
    begin(3);
    const { packing, measuredIn } = await comparePacking(primaries, samples, options, isTimeUp);
    findings.push(...advisePacking(packing, primaries));
    begin(4);
    findings.push(...checkViews(options.snapshot, entities, options.nowSeconds));
    return {
      schema: 1,
      project: options.snapshot.project,
      store: options.store.kind,
      nodes: nodes.map((node) => describeNode(node, facts)),
      sampled: {
        keys: samples.reduce((sum, { keysSeen }) => sum + keysSeen, 0),
        entities: entities.length,
        hashesReadWhole: entities.filter(({ fields }) => fields !== undefined).length,
        slots: slots.slotsCounted,
        isCutShort: isTimeUp(),
        measuredIn,
      },
      findings: findings.sort(
        (a, b) => FINDING_LEVELS.indexOf(a.level) - FINDING_LEVELS.indexOf(b.level),
      ),
      packing,
    };
  } finally {
    close();
  }
}

/** Zones as the store's configuration has them, and as the operator says. */
function zonesOf({ store, zones }: ExaminationOptions): ReadonlyMap<string, string> {
  const configured = store.zones?.map(({ address, zone }) => [address, zone] as const) ?? [];
  return new Map([...configured, ...zones]);
}

async function readFacts(
  nodes: readonly StoreNode[],
  zones: ReadonlyMap<string, string>,
): Promise<{ facts: NodeFacts[]; findings: Finding[] }> {
  const facts: NodeFacts[] = [];
  const findings: Finding[] = [];
  for (const node of nodes) {
    if (node.connection === undefined) continue;
    try {
      facts.push(await readNodeFacts(node, node.connection, zones));
    } catch (error) {
      findings.push({
        check: 'nodes',
        level: 'error',
        where: node.address,
        message: `does not say what it is: ${error instanceof Error ? error.message : String(error)}`,
        remedy: 'the user needs what docs/doctor.md lists',
      });
    }
  }
  return { facts, findings };
}

async function sampleAll(
  primaries: readonly NodeFacts[],
  { snapshot, entityKeyVersion, limits }: ExaminationOptions,
  isTimeUp: () => boolean,
): Promise<readonly ShardSample[]> {
  const owner = { project: snapshot.project, entityKeyVersion };
  const samples: ShardSample[] = [];
  for (const facts of primaries) {
    samples.push(await sampleShard(facts, owner, limits, isTimeUp));
  }
  return samples;
}

/** Share of the sampled entities whose slot is that of a part of their key. */
function tagShare(samples: readonly ShardSample[]): number | undefined {
  const entities = samples.flatMap((sample) => sample.entities);
  if (entities.length === 0) return undefined;
  const tagged = entities.filter(({ key }) => {
    const opening = key.indexOf('{');
    return opening >= 0 && key.indexOf('}', opening + 1) > opening + 1;
  });
  return tagged.length / entities.length;
}

async function comparePacking(
  primaries: readonly NodeFacts[],
  samples: readonly ShardSample[],
  { snapshot, limits, useScratch }: ExaminationOptions,
  isTimeUp: () => boolean,
): Promise<{ packing: readonly PackingFigures[]; measuredIn: string | undefined }> {
  const entities = samples.flatMap((sample) => sample.entities);
  const stored = primaries.reduce((sum, { keyCount }) => sum + keyCount, 0);
  const seen = samples.reduce((sum, { keysSeen }) => sum + keysSeen, 0);
  let scratch: ScratchRedis | undefined;
  try {
    scratch = useScratch && entities.length > 0 ? await startScratchRedis() : undefined;
    const factor = seen === 0 ? 0 : stored / seen;
    return {
      packing: await measurePacking(snapshot, entities, factor, scratch, limits, isTimeUp),
      measuredIn: scratch?.version,
    };
  } finally {
    await scratch?.close();
  }
}

function describeNode(
  { address, role, shard }: StoreNode,
  facts: readonly NodeFacts[],
): Examination['nodes'][number] {
  const found = facts.find(({ node }) => node.address === address);
  return {
    address,
    role,
    shard,
    version: found?.version,
    zone: found?.zone,
    keys: found?.keyCount,
  };
}
