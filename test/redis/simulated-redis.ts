import { Buffer } from 'node:buffer';
import { decodeReply, type RedisReply } from '../../src/redis/decode-reply.ts';
import { ReplyReader } from '../../src/redis/reply-reader.ts';
import type {
  PeerConnection,
  SimulatedListener,
  SimulatedPeer,
  SimulatedWorld,
} from './simulated-world.ts';

/** What a node answers: bytes; `undefined` = nothing, ever; after a while where it takes time. */
export type Answer = Buffer | string | undefined;
export type Handler = (words: readonly Buffer[], session: Session) => Answer;

/** One client at one node. */
export interface Session {
  readonly connection: PeerConnection;
  readonly state: { isAsking: boolean; protocol: 2 | 3; user: string; name: string };
}

/** A Redis of hashes that is nearly none: it knows what a client sends to set up, and what a test tells it. */
export class SimulatedRedis implements SimulatedListener {
  latencyMs = 0.1;
  /** `undefined` refuses connections, `null` swallows them. */
  presence: 'up' | undefined | null = 'up';
  /** Answers are held back, as a stopped process does. */
  isStopped = false;
  /** Milliseconds to think about each command. */
  delayMs = 0;
  readonly hashes = new Map<string, Map<string, Buffer>>();
  /** Commands in their order, as text; setting up is left out. */
  readonly heard: string[] = [];
  /** Times that bytes arrived. */
  deliveries = 0;
  readonly sessions = new Set<Session>();
  /** Asked first; `null` passes on to what Redis does. */
  handler: ((words: readonly Buffer[], session: Session) => Answer | null) | undefined;
  private readonly world: SimulatedWorld;
  private held: (() => void)[] = [];

  constructor(world: SimulatedWorld, address: string) {
    this.world = world;
    world.listeners.set(address, this);
  }

  accept(connection: PeerConnection): SimulatedPeer | undefined | null {
    if (this.presence !== 'up') return this.presence;
    const session: Session = {
      connection,
      state: { isAsking: false, protocol: 2, user: '', name: '' },
    };
    this.sessions.add(session);
    const reader = new ReplyReader();
    return {
      onBytes: (bytes) => {
        this.deliveries++;
        for (let at = 0; at < bytes.length;) {
          const room = reader.room();
          const count = Math.min(room.length, bytes.length - at);
          room.set(bytes.subarray(at, at + count));
          reader.end += count;
          at += count;
        }
        while (reader.start < reader.end && reader.skip()) {
          this.take(decodeReply(reader) as readonly Buffer[], session);
          reader.next();
        }
      },
      onClosed: () => void this.sessions.delete(session),
    };
  }

  put(key: string, fields: Readonly<Record<string, string>>): void {
    this.hashes.set(
      key,
      new Map(Object.entries(fields).map(([field, value]) => [field, Buffer.from(value)])),
    );
  }

  /** Goes on where it was stopped. */
  resume(): void {
    this.isStopped = false;
    const { held } = this;
    this.held = [];
    for (const run of held) run();
  }

  /** Breaks all connections. */
  breakAll(): void {
    for (const { connection } of this.sessions) connection.close(new Error('read ECONNRESET'));
    this.sessions.clear();
  }

  private take(words: readonly Buffer[], session: Session): void {
    const answer = (): void => {
      const bytes = this.answer(words, session);
      if (bytes !== undefined) session.connection.send(Buffer.from(bytes));
    };
    if (this.isStopped) this.held.push(answer);
    else if (this.delayMs > 0) this.world.at(this.world.now() + this.delayMs, answer);
    else answer();
  }

  private answer(words: readonly Buffer[], session: Session): Answer {
    const name = words[0]!.toString().toUpperCase();
    const own = this.handler?.(words, session);
    const isSetup = ['HELLO', 'AUTH', 'CLIENT', 'SELECT', 'READONLY', 'PING'].includes(name);
    if (!isSetup) this.heard.push(words.map((word) => word.toString('latin1')).join(' '));
    if (own !== null && this.handler !== undefined) return own;
    const { state } = session;
    switch (name) {
      case 'HELLO':
        state.protocol = 3;
        return '%1\r\n+proto\r\n:3\r\n';
      case 'PING':
        return '+PONG\r\n';
      case 'HMGET':
      case 'HGETALL': {
        const hash = this.hashes.get(words[1]!.toString('latin1'));
        return name === 'HGETALL'
          ? allOf(hash, state.protocol)
          : someOf(hash, words.slice(2), state.protocol);
      }
      case 'ROLE':
        return '*3\r\n+master\r\n:0\r\n*0\r\n';
      default:
        return '+OK\r\n';
    }
  }
}

export function bulk(bytes: Uint8Array | string): Buffer {
  const payload = Buffer.from(bytes as Uint8Array);
  return Buffer.concat([Buffer.from(`$${payload.length}\r\n`), payload, Buffer.from('\r\n')]);
}

/** An array of arrays, texts and numbers. */
export function array(items: readonly (Buffer | string | number | readonly unknown[])[]): Buffer {
  const parts = items.map((item) => {
    if (typeof item === 'number') return Buffer.from(`:${item}\r\n`);
    if (typeof item === 'string' || Buffer.isBuffer(item)) return bulk(item);
    return array(item as Parameters<typeof array>[0]);
  });
  return Buffer.concat([Buffer.from(`*${items.length}\r\n`), ...parts]);
}

function someOf(
  hash: ReadonlyMap<string, Buffer> | undefined,
  fields: readonly Buffer[],
  protocol: 2 | 3,
): Buffer {
  const values = fields.map((field) => {
    const value = hash?.get(field.toString('latin1'));
    return value === undefined ? Buffer.from(protocol === 3 ? '_\r\n' : '$-1\r\n') : bulk(value);
  });
  return Buffer.concat([Buffer.from(`*${values.length}\r\n`), ...values]);
}

function allOf(hash: ReadonlyMap<string, Buffer> | undefined, protocol: 2 | 3): Buffer {
  const pairs = [...(hash ?? [])].flatMap(([field, value]) => [bulk(field), bulk(value)]);
  const header = protocol === 3 ? `%${pairs.length / 2}\r\n` : `*${pairs.length}\r\n`;
  return Buffer.concat([Buffer.from(header), ...pairs]);
}

/** What a command was answered, for tests that ask by hand. */
export type { RedisReply };
