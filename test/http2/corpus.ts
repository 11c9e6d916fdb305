import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'corpus');

/**
 * What real clients sent on one connection, from the preface on: grpc-js, grpc-python (C++), grpc-go in several tools,
 * nghttp, h2load, curl, Node. They called a service with `Echo` and one that does not answer, over deadlines and cancelled
 * calls; `test/http2/corpus/` has them in hexadecimal.
 */
export const CORPUS: readonly { readonly name: string; readonly bytes: Buffer }[] = readdirSync(
  FOLDER,
)
  .filter((file) => file.endsWith('.hex'))
  .sort()
  .map((file) => ({
    name: file.replace('.hex', ''),
    bytes: Buffer.from(readFileSync(join(FOLDER, file), 'utf8').replaceAll('\n', ''), 'hex'),
  }));

/** Frames of a connection, without the preface, each with its nine bytes in front. */
export function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 24; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}
