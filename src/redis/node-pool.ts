import { addressOf, type NodeTarget } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import { RedisNode, type NodeOptions } from './redis-node.ts';

/** How long what is under way at a node that left the topology may take to end. */
const RETIREMENT_MS = 5_000;

/** The nodes that are known, by address. */
export interface NodePool {
  /** The node there; made, and connected to, where it is new; closed, where the pool is. */
  nodeAt(target: NodeTarget): RedisNode;
  /** The node there; `undefined` where none is known (any more). */
  find(target: NodeTarget): RedisNode | undefined;
  all(): Iterable<RedisNode>;
  /** Lets go of all other nodes: when what is under way there has ended, or after a while. */
  keepOnly(nodes: ReadonlySet<RedisNode>): void;
  close(): void;
}

export function createNodePool(options: NodeOptions): NodePool {
  const nodes = new Map<string, RedisNode>();
  const retired = new Set<RedisNode>();
  const { runtime } = options.connection;
  let isClosed = false;
  const retire = (node: RedisNode): void => {
    const { address } = node;
    // What it still has is done at its successor, where that is safe.
    const reason = new RedisError('UNREACHABLE', 'the node has left', { address });
    if (node.pendingCount === 0) {
      node.close(reason);
      return;
    }
    retired.add(node);
    runtime.setTimer(() => {
      retired.delete(node);
      node.close(reason);
    }, RETIREMENT_MS);
  };
  return {
    nodeAt(target) {
      const address = addressOf(target);
      let node = nodes.get(address);
      if (node === undefined) {
        node = new RedisNode(target, options);
        if (isClosed) {
          // A look that was under way when the client was closed ends here.
          node.close();
          return node;
        }
        nodes.set(address, node);
        node.reads.open();
      }
      return node;
    },
    find: (target) => nodes.get(addressOf(target)),
    all: () => nodes.values(),
    keepOnly(kept) {
      for (const [address, node] of nodes) {
        if (!kept.has(node)) {
          nodes.delete(address);
          retire(node);
        }
      }
    },
    close() {
      isClosed = true;
      for (const node of [...nodes.values(), ...retired]) {
        node.close();
      }
      nodes.clear();
    },
  };
}
