import { Buffer } from 'node:buffer';
import { redisSlot } from '../../src/redis/redis-slot.ts';
import { createRandom, type Random } from '../support/random.ts';
import { array, bulk } from './simulated-redis.ts';
import type {
  PeerConnection,
  SimulatedListener,
  SimulatedPeer,
  SimulatedWorld,
} from './simulated-world.ts';

const SLOTS = 16_384;
/** A node that is down for so long has failed, as the others agree. */
const FAILED_AFTER_MS = 100;
const FIELD_NAMES = ['f', 'g'];

/** Keys in slots of all shards, each with a hash of `f` and `g`. */
export const KEYS: readonly string[] = Array.from({ length: 36 }, (_, i) => `{${i}}:entity`);
const SLOT_OF = new Map(KEYS.map((key) => [key, redisSlot(Buffer.from(key))]));

/** What a hash holds: whose it is, and long enough to be cut in the middle. */
export function valueOf(key: string, field: string): string {
  return `${field} of ${key} ${'.'.repeat(key.length + (field === 'g' ? 300 : 0))}`;
}

/** Who has which slots, as a node has heard of it. */
interface View {
  /** Node that is primary, by shard. */
  readonly primaries: readonly number[];
  /** Slots that have moved to another shard than the one they began in. */
  readonly moved: ReadonlyMap<number, number>;
}

interface Session {
  readonly connection: PeerConnection;
  readonly node: number;
  protocol: 2 | 3;
  isReadOnly: boolean;
  isAsking: boolean;
  /** What the client sent of a command that is not whole yet. */
  rest: Buffer;
  /** Swallows everything from now on, both ways. */
  isDead: boolean;
}

/** A node that has a fault, for a while. */
export interface NodeState {
  /** `undefined` refuses connections, `null` never answers them. */
  presence: 'up' | undefined | null;
  /** Takes what comes and answers nothing until it goes on. */
  isStopped: boolean;
  /** Milliseconds to think. */
  delayMs: number;
  /** An error that it answers every command with. */
  refusal: string | undefined;
  /** What happens to its next answer. */
  spoil: 'garbage' | 'extra' | 'half-then-cut' | 'half-then-nothing' | undefined;
}

/** How often a command that writes was carried out, by its number. */
export type Executions = Map<string, number>;

/** How the simulated Redis is deployed. */
export type Deployment = 'redis' | 'redis_cluster' | 'redis_sentinel';

/** Where the sentinel listens, in a deployment that has one. */
export const SENTINEL = { host: 'sentinel', port: 1 };

/**
 * A cluster of three shards, a replica each – or one primary and its replica, watched by a sentinel or by nobody – in a simulated world: redirections, migrations, failovers, views that differ,
 * and nodes that fail in every way that a test asks for. It shares no code with the client but the slot of a key.
 */
export class SimulatedCluster {
  readonly states: NodeState[];
  readonly executions: Executions = new Map();
  /** Push messages between replies, by chance. */
  pushShare = 0;
  readonly shards: number;
  private readonly world: SimulatedWorld;
  private readonly deployment: Deployment;
  private readonly random: Random;
  private readonly sessions = new Set<Session>();
  private readonly views: View[];
  private readonly held: (() => void)[][];
  private readonly busyUntilMs: number[];
  private truth: View;
  /** Since when a node is down, as the others have heard; `undefined` = it is not. */
  private readonly downSinceMs: (number | undefined)[];
  /** Slots on their way: keys of them that have gone. */
  private readonly migrating = new Map<number, { readonly to: number; hasGone: boolean }>();

  constructor(world: SimulatedWorld, seed: number, deployment: Deployment) {
    this.world = world;
    this.random = createRandom(seed);
    this.deployment = deployment;
    this.shards = deployment === 'redis_cluster' ? 3 : 1;
    const length = 2 * this.shards;
    this.truth = { primaries: Array.from({ length: this.shards }, (_, i) => i), moved: new Map() };
    this.views = Array.from({ length }, () => this.truth);
    this.busyUntilMs = Array.from({ length }, () => 0);
    this.held = Array.from({ length }, () => []);
    this.states = Array.from({ length }, () => healthy());
    this.downSinceMs = this.states.map(() => undefined);
    for (let node = 0; node < length; node++) {
      world.listeners.set(addressOf(node), this.listener(node));
    }
    if (deployment === 'redis_sentinel') {
      world.listeners.set(`${SENTINEL.host}:${SENTINEL.port}`, this.sentinel());
    }
  }

  get nodeCount(): number {
    return this.states.length;
  }

  /** Addresses of all nodes. */
  seeds(): { readonly host: string; readonly port: number }[] {
    return Array.from({ length: this.nodeCount }, (_, node) => ({ host: `n${node}`, port: 1 }));
  }

  primaryOf(shard: number): number {
    return this.truth.primaries[shard]!;
  }

  replicaOf(shard: number): number {
    return this.primaryOf(shard) === shard ? shard + this.shards : shard;
  }

  /** Resets connections of a node. */
  cut(node: number): void {
    for (const session of this.sessionsOf(node)) {
      session.connection.close(new Error('read ECONNRESET'));
      this.sessions.delete(session);
    }
  }

  /** Connections that stand pass nothing any more. */
  blackHole(node: number): void {
    for (const session of this.sessionsOf(node)) session.isDead = true;
  }

  resume(node: number): void {
    this.states[node]!.isStopped = false;
    for (const run of this.held[node]!.splice(0)) run();
  }

  /** Primary and replica of a shard change places; others hear of it by and by. */
  failOver(shard: number): void {
    const primaries = [...this.truth.primaries];
    primaries[shard] = this.replicaOf(shard);
    this.change({ ...this.truth, primaries }, [shard, shard + this.shards]);
  }

  /** A slot begins to move; its keys go after a while, then everybody hears of it, sooner or `lateMs` later. */
  migrate(slot: number, to: number, lateMs = 0): void {
    const from = this.shardOf(this.truth, slot);
    const mayMove = (): boolean =>
      [from, to].every((shard) => this.states[this.primaryOf(shard)]!.presence === 'up');
    if (from === to || this.migrating.has(slot) || !mayMove()) return;
    const migration = { to, hasGone: false };
    this.migrating.set(slot, migration);
    const nowMs = this.world.now();
    // Keys go from one process to the other: both live then.
    this.world.at(nowMs + 20 + this.random.below(100), () => (migration.hasGone = mayMove()));
    this.world.at(nowMs + 150 + lateMs + this.random.below(100), () => {
      this.migrating.delete(slot);
      if (!migration.hasGone) return;
      const moved = new Map(this.truth.moved).set(slot, to);
      this.change({ ...this.truth, moved }, [from, from + this.shards, to, to + this.shards]);
    });
  }

  /** Breaks something in a while. @returns repairs it, or keeps it from breaking. */
  later(delayMs: number, breakIt: () => () => void): () => void {
    let repair: (() => void) | undefined;
    let isRepaired = false;
    this.world.at(this.world.now() + delayMs, () => {
      if (!isRepaired) repair = breakIt();
    });
    return () => {
      isRepaired = true;
      repair?.();
    };
  }

  /** Everything is well again, and every node knows everything. */
  heal(): void {
    for (let node = 0; node < this.nodeCount; node++) {
      this.resume(node);
      Object.assign(this.states[node]!, healthy());
      this.downSinceMs[node] = undefined;
      this.views[node] = this.truth;
      for (const session of this.sessionsOf(node)) {
        if (session.isDead) session.connection.close(new Error('read ETIMEDOUT'));
      }
    }
  }

  private change(view: View, knowing: readonly number[]): void {
    this.truth = view;
    for (let node = 0; node < this.nodeCount; node++) {
      const delayMs = knowing.includes(node) ? 0 : 5 + this.random.below(300);
      this.world.at(this.world.now() + delayMs, () => (this.views[node] = this.truth));
    }
  }

  /** A node ends, and whoever is in touch with it knows; the cluster agrees a little later that it failed. */
  crash(node: number): () => void {
    this.states[node]!.presence = undefined;
    this.downSinceMs[node] = this.world.now();
    this.cut(node);
    return () => {
      this.states[node]!.presence = 'up';
      this.downSinceMs[node] = undefined;
    };
  }

  private sessionsOf(node: number): Session[] {
    return [...this.sessions].filter((session) => session.node === node);
  }

  private listener(node: number): SimulatedListener {
    const state = (): NodeState => this.states[node]!;
    return {
      latencyMs: 0.1 + node * 0.03,
      accept: (connection): SimulatedPeer | undefined | null => {
        if (state().presence !== 'up') return state().presence as undefined | null;
        const session: Session = {
          connection,
          node,
          protocol: 2,
          isReadOnly: false,
          isAsking: false,
          rest: Buffer.alloc(0),
          isDead: false,
        };
        this.sessions.add(session);
        return {
          onBytes: (bytes) => this.receive(session, bytes),
          onClosed: () => void this.sessions.delete(session),
        };
      },
    };
  }

  private receive(session: Session, bytes: Buffer): void {
    if (session.isDead || !this.sessions.has(session)) return;
    const state = this.states[session.node]!;
    const { commands, rest } = parseCommands(Buffer.concat([session.rest, bytes]));
    session.rest = rest;
    const held = this.held[session.node]!;
    for (const words of commands) {
      const answer = (): void => this.reply(session, this.answer(session, words));
      // One after the other, as a process with one thread does it.
      const atMs = Math.max(this.busyUntilMs[session.node]!, this.world.now() + state.delayMs);
      this.busyUntilMs[session.node] = atMs;
      this.world.at(atMs, () => {
        if (state.isStopped) held.push(answer);
        else answer();
      });
    }
  }

  private reply(session: Session, bytes: Buffer): void {
    if (session.isDead || !this.sessions.has(session)) return;
    const state = this.states[session.node]!;
    const { spoil } = state;
    const { connection } = session;
    if (session.protocol === 3 && this.random.next() < this.pushShare) {
      connection.send(Buffer.from('>2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n'));
    }
    state.spoil = undefined;
    switch (spoil) {
      case undefined:
        connection.send(bytes);
        break;
      case 'extra':
        connection.send(Buffer.concat([OK, bytes]));
        break;
      case 'garbage':
        connection.send(this.random.bytes(bytes.length));
        break;
      default:
        connection.send(bytes.subarray(0, this.random.below(bytes.length)));
        if (spoil === 'half-then-cut') connection.close();
        else session.isDead = true;
    }
  }

  private answer(session: Session, words: readonly Buffer[]): Buffer {
    const name = words[0]!.toString('latin1').toUpperCase();
    const { refusal } = this.states[session.node]!;
    const wasAsking = session.isAsking;
    session.isAsking = name === 'ASKING';
    switch (name) {
      case 'HELLO':
        session.protocol = 3;
        return HELLO;
      case 'READONLY':
        session.isReadOnly = true;
        return OK;
      case 'READWRITE':
        session.isReadOnly = false;
        return OK;
      case 'PING':
        return refusal === undefined ? PONG : error(refusal);
      case 'ROLE':
        return this.role(session.node);
      case 'CLUSTER':
        if (refusal?.startsWith('LOADING') === true) return error(refusal);
        return words[1]!.toString('latin1').toUpperCase() === 'NODES'
          ? this.nodes(session.node)
          : this.slots(this.views[session.node]!);
      case 'HMGET':
      case 'HGETALL':
      case 'HINCRBY':
        return refusal === undefined ? this.onKey(session, name, words, wasAsking) : error(refusal);
      default:
        return OK;
    }
  }

  private onKey(
    session: Session,
    name: 'HMGET' | 'HGETALL' | 'HINCRBY',
    words: readonly Buffer[],
    isAsking: boolean,
  ): Buffer {
    const key = words[1]!.toString('latin1');
    const slot = SLOT_OF.get(key)!;
    const { node } = session;
    const shard = node % this.shards;
    const view = this.views[node]!;
    const migration = this.migrating.get(slot);
    const owner = this.shardOf(view, slot);
    const isPrimary = this.truth.primaries[shard] === node;
    if (this.deployment !== 'redis_cluster') {
      return isPrimary || name !== 'HINCRBY'
        ? this.execute(session, name, words)
        : error('READONLY You can’t write against a read only replica.');
    }
    const mayRead = name !== 'HINCRBY' && session.isReadOnly;
    if (isAsking && migration?.to === shard && isPrimary) {
      return migration.hasGone ? this.execute(session, name, words) : error('TRYAGAIN');
    }
    if (owner !== shard || (!isPrimary && !mayRead)) {
      return error(`MOVED ${slot} ${addressOf(view.primaries[owner]!)}`);
    }
    if (!isPrimary && this.holderOf(slot) !== shard) {
      // A replica has lost the keys of a slot that moves, and knows nothing of where they went.
      return absent(session, name, words);
    }
    if (migration?.hasGone === true) {
      return error(`ASK ${slot} ${addressOf(this.truth.primaries[migration.to]!)}`);
    }
    return this.execute(session, name, words);
  }

  /** The shard that the keys of a slot are at. */
  holderOf(slot: number): number {
    const migration = this.migrating.get(slot);
    return migration?.hasGone === true ? migration.to : this.shardOf(this.truth, slot);
  }

  private execute(session: Session, name: string, words: readonly Buffer[]): Buffer {
    const key = words[1]!.toString('latin1');
    if (name === 'HINCRBY') {
      const operation = words[2]!.toString('latin1');
      const count = (this.executions.get(operation) ?? 0) + 1;
      this.executions.set(operation, count);
      return Buffer.from(`:${count}\r\n`);
    }
    const isAll = name === 'HGETALL';
    const cached = `${isAll} ${session.protocol} ${key}`;
    let reply = REPLIES.get(cached);
    if (reply === undefined) {
      reply = hashReply(key, isAll, session.protocol);
      REPLIES.set(cached, reply);
    }
    return reply;
  }

  private shardOf({ moved }: View, slot: number): number {
    return moved.get(slot) ?? Math.floor((slot * this.shards) / SLOTS);
  }

  /** The answer to `ROLE`: a primary names its replica. */
  private role(node: number): Buffer {
    return this.truth.primaries[node % this.shards] === node
      ? array(['master', 0, [[`n${this.replicaOf(node % this.shards)}`, '1', '0']]])
      : array(['slave', `n${this.primaryOf(node % this.shards)}`, 1, 'connected', 0]);
  }

  /** Tells who is the primary, and who else there is. */
  private sentinel(): SimulatedListener {
    return {
      latencyMs: 0.2,
      accept: (connection) => {
        let rest: Buffer = Buffer.alloc(0);
        return {
          onBytes: (bytes) => {
            const parsed = parseCommands(Buffer.concat([rest, bytes]));
            rest = parsed.rest;
            for (const words of parsed.commands) {
              const question = words.slice(0, 2).join(' ').toUpperCase();
              if (question === 'SENTINEL GET-MASTER-ADDR-BY-NAME') {
                connection.send(array([`n${this.primaryOf(0)}`, '1']));
              } else if (question === 'SENTINEL REPLICAS') {
                const details = ['ip', `n${this.replicaOf(0)}`, 'port', '1', 'flags', 'slave'];
                connection.send(array([details]));
              } else {
                connection.send(question.startsWith('HELLO') ? HELLO : OK);
              }
            }
          },
          onClosed: () => {},
        };
      },
    };
  }

  /** The answer to `CLUSTER NODES`: what a node has heard of all, and of itself what it takes in. */
  private nodes(own: number): Buffer {
    const view = this.views[own]!;
    const lines = Array.from({ length: this.nodeCount }, (_, node) => {
      const shard = node % this.shards;
      const primary = view.primaries[shard]!;
      const role = primary === node ? 'master -' : `slave id-${primary}`;
      const downMs = this.downSinceMs[node];
      const hasFailed = downMs !== undefined && this.world.now() - downMs > FAILED_AFTER_MS;
      const flags = `${node === own ? 'myself,' : ''}${role.replace(' ', hasFailed ? ',fail ' : ' ')}`;
      const heard = Math.round(downMs ?? this.world.now());
      const words = [`id-${node} ${addressOf(node)}@2 ${flags} 0 ${heard} 1 connected`];
      if (primary !== node) return words.join(' ');
      for (const { first, last, shard: owner } of this.ranges(view)) {
        if (owner === shard) words.push(first === last ? `${first}` : `${first}-${last}`);
      }
      for (const [slot, { to }] of this.migrating) {
        const from = this.shardOf(view, slot);
        if (node === own && to === shard) words.push(`[${slot}-<-id-${view.primaries[from]}]`);
        if (node === own && from === shard) words.push(`[${slot}->-id-${view.primaries[to]}]`);
      }
      return words.join(' ');
    });
    return bulk(`${lines.join('\n')}\n`);
  }

  /** The answer to `CLUSTER SLOTS`: a range per shard, cut where slots have moved away. */
  private slots(view: View): Buffer {
    return array(
      this.ranges(view).map(({ first, last, shard }) => {
        const primary = view.primaries[shard]!;
        const replica = primary === shard ? shard + this.shards : shard;
        const nodes = [primary, replica].map((node) => [`n${node}`, 1, `id-${node}`]);
        return [first, last, ...nodes];
      }),
    );
  }

  private ranges(
    view: View,
  ): { readonly first: number; readonly last: number; readonly shard: number }[] {
    const cuts = new Set([0, SLOTS]);
    for (let shard = 1; shard < this.shards; shard++)
      cuts.add(Math.ceil((shard * SLOTS) / this.shards));
    for (const slot of view.moved.keys()) cuts.add(slot).add(slot + 1);
    const starts = [...cuts].sort((a, b) => a - b);
    return starts.slice(0, -1).map((first, i) => ({
      first,
      last: starts[i + 1]! - 1,
      shard: this.shardOf(view, first),
    }));
  }
}

const OK = Buffer.from('+OK\r\n');
const HELLO = Buffer.from('%1\r\n$5\r\nproto\r\n:3\r\n');
const PONG = Buffer.from('+PONG\r\n');
const REPLIES = new Map<string, Buffer>();

function addressOf(node: number): string {
  return `n${node}:1`;
}

function healthy(): NodeState {
  return { presence: 'up', isStopped: false, delayMs: 0, refusal: undefined, spoil: undefined };
}

function error(text: string): Buffer {
  return Buffer.from(`-${text}\r\n`);
}

function absent({ protocol }: Session, name: string, words: readonly Buffer[]): Buffer {
  if (name === 'HGETALL') return Buffer.from(protocol === 3 ? '%0\r\n' : '*0\r\n');
  const none = protocol === 3 ? '_\r\n' : '$-1\r\n';
  return Buffer.from(`*${words.length - 2}\r\n${none.repeat(words.length - 2)}`);
}

function hashReply(key: string, isAll: boolean, protocol: 2 | 3): Buffer {
  const parts = FIELD_NAMES.flatMap((field) =>
    isAll ? [bulk(field), bulk(valueOf(key, field))] : [bulk(valueOf(key, field))],
  );
  const head = isAll && protocol === 3 ? `%${parts.length / 2}\r\n` : `*${parts.length}\r\n`;
  return Buffer.concat([Buffer.from(head), ...parts]);
}

/** Commands as clients send them: arrays of bulk strings. */
function parseCommands(bytes: Buffer): { commands: Buffer[][]; rest: Buffer } {
  const commands: Buffer[][] = [];
  let start = 0;
  for (;;) {
    const words: Buffer[] = [];
    let at = bytes.indexOf('\r\n', start);
    if (at < 0) break;
    const count = Number(bytes.toString('latin1', start + 1, at));
    at += 2;
    while (words.length < count) {
      const lineEnd = bytes.indexOf('\r\n', at);
      const length = lineEnd < 0 ? Infinity : Number(bytes.toString('latin1', at + 1, lineEnd));
      if (lineEnd + 2 + length + 2 > bytes.length) break;
      words.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + length));
      at = lineEnd + 2 + length + 2;
    }
    if (words.length < count) break;
    commands.push(words);
    start = at;
  }
  return { commands, rest: bytes.subarray(start) };
}
