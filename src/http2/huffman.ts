/**
 * The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B). It is canonical: codes of one length ascend with
 * their symbols, so the lengths are the code. A string is decoded half a byte at a time by an automaton whose states are
 * the inner nodes of the code's tree.
 */

/** Bits of the code of each byte, and of the end-of-string symbol. */
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const END_OF_STRING = 256;

/** No code is shorter: a string of n coded bytes has at most 8/5 n bytes. */
export const MIN_CODE_BITS = 5;

/** One step of the automaton, packed: next state, symbol, and what to do with it. */
const SYMBOL_SHIFT = 8;
const EMITS = 1 << 16;
const FAILS = 1 << 17;

/** An inner node: two children, each an inner node or a symbol. */
interface Node {
  readonly state: number;
  readonly children: [Node | number | undefined, Node | number | undefined];
}

/** Steps by `state * 16 + half byte`, and whether a string may end in a state: after fewer than eight bits, all ones. */
interface Automaton {
  readonly steps: Int32Array;
  readonly mayEnd: Uint8Array;
}

const { steps: STEPS, mayEnd: MAY_END } = buildAutomaton();

/**
 * Decodes `bytes[at, end)` into `out` from `outAt` on.
 *
 * @returns the position after the last byte written, or -1 for what is not a coded string
 */
export function decodeHuffman(
  bytes: Uint8Array,
  at: number,
  end: number,
  out: Uint8Array,
  outAt: number,
): number {
  let state = 0;
  while (at < end) {
    const byte = bytes[at++]!;
    const first = STEPS[(state << 4) | (byte >>> 4)]!;
    if ((first & EMITS) !== 0) out[outAt++] = (first >>> SYMBOL_SHIFT) & 0xff;
    const second = STEPS[((first & 0xff) << 4) | (byte & 15)]!;
    if ((second & EMITS) !== 0) out[outAt++] = (second >>> SYMBOL_SHIFT) & 0xff;
    if (((first | second) & FAILS) !== 0) return -1;
    state = second & 0xff;
  }
  return MAY_END[state] === 1 ? outAt : -1;
}

function buildAutomaton(): Automaton {
  const nodes: Node[] = [];
  const addNode = (): Node => {
    const node: Node = { state: nodes.length, children: [undefined, undefined] };
    nodes.push(node);
    return node;
  };
  const root = addNode();
  for (const [symbol, { code, bits }] of canonicalCodes().entries()) {
    let node = root;
    for (let bit = bits - 1; bit > 0; bit--) {
      const side = (code >>> bit) & 1;
      node.children[side] ??= addNode();
      node = node.children[side] as Node;
    }
    node.children[code & 1] = symbol;
  }
  const steps = new Int32Array(nodes.length * 16);
  for (const node of nodes) {
    for (let half = 0; half < 16; half++)
      steps[node.state * 16 + half] = stepFrom(root, node, half);
  }
  const mayEnd = new Uint8Array(nodes.length);
  let ones: Node | number | undefined = root;
  for (let depth = 0; depth < 8 && typeof ones === 'object'; depth++) {
    mayEnd[ones.state] = 1;
    ones = ones.children[1];
  }
  return { steps, mayEnd };
}

/** Codes by symbol, in ascending order of length and symbol. */
function canonicalCodes(): readonly { readonly code: number; readonly bits: number }[] {
  const codes = CODE_BITS.map((bits) => ({ code: 0, bits }));
  let next = 0;
  let bits = 0;
  for (const each of [...codes].sort((a, b) => a.bits - b.bits)) {
    next <<= each.bits - bits;
    bits = each.bits;
    each.code = next++;
  }
  return codes;
}

function stepFrom(root: Node, from: Node, half: number): number {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = node.children[(half >>> bit) & 1];
    if (typeof child === 'object') {
      node = child;
    } else {
      if (child === undefined || child === END_OF_STRING) return FAILS;
      emitted = EMITS | (child << SYMBOL_SHIFT);
      node = root;
    }
  }
  return node.state | emitted;
}
