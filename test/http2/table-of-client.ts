import { STATIC_FIELDS } from '../../src/http2/hpack-static-table.ts';
import { integer, plainString } from './frames.ts';

/**
 * The table of HPACK as the RFC tells it, an array with the newest first, and an encoder that uses it in the way that it is
 * told: 0 = by index if it can, 1 = not to be indexed, 2 = never, more = to be indexed; from 3 on with the name spelled out.
 */
export class TableOfClient {
  private readonly entries: (readonly [string, string])[] = [];
  private maxBytes = 4096;

  resize(maxBytes: number): Buffer {
    this.maxBytes = maxBytes;
    this.evict();
    return integer(0x20, 5, maxBytes);
  }

  encode(name: string, value: string, way: number): Buffer {
    const all = [...STATIC_FIELDS, ...this.entries];
    const whole = all.findIndex((each) => each[0] === name && each[1] === value) + 1;
    if (way === 0 && whole > 0) return integer(0x80, 7, whole);
    const index = way < 3 ? all.findLastIndex((each) => each[0] === name) + 1 : 0;
    const literal = (pattern: number, bits: number): Buffer =>
      Buffer.concat([
        integer(pattern, bits, index),
        ...(index === 0 ? [plainString(name)] : []),
        plainString(value),
      ]);
    if (way === 1) return literal(0x00, 4);
    if (way === 2) return literal(0x10, 4);
    const bytes = literal(0x40, 6);
    this.entries.unshift([name, value]);
    this.evict();
    return bytes;
  }

  private evict(): void {
    const size = (): number =>
      this.entries.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.maxBytes) this.entries.pop();
  }
}
