/**
 * Writes protobuf messages field by field: a client that makes load has to cost less than the server under it, and a general
 * encoder of messages as objects costs more.
 */
export class MessageWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  clear(): void {
    this.#length = 0;
  }

  /** A view, good until the next write. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** @param value not negative, a safe integer */
  integer(field: number, value: number): void {
    this.#reserve(20);
    this.#varint(field * 8);
    this.#varint(value);
  }

  double(field: number, value: number): void {
    this.#reserve(18);
    this.#varint(field * 8 + 1);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  string(field: number, value: string): void {
    this.#head(field, Buffer.byteLength(value));
    this.#length += this.#bytes.write(value, this.#length);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#head(field, value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  #head(field: number, length: number): void {
    this.#reserve(length + 20);
    this.#varint(field * 8 + 2);
    this.#varint(length);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#length + count));
    larger.set(this.written());
    this.#bytes = larger;
  }
}
