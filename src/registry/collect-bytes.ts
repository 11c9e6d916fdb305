/**
 * Reads a stream to its end into one buffer. Where the length is known, each chunk is copied when it comes: to put 50 MB
 * of chunks together in the end would hold everybody up for 20 ms.
 *
 * @param length of all of it, as was announced; another one, or `undefined`, costs copies and no more.
 */
export async function collectBytes(
  stream: AsyncIterable<Uint8Array>,
  length: number | undefined,
): Promise<Uint8Array> {
  let bytes = Buffer.allocUnsafe(length ?? 0);
  let end = 0;
  for await (const chunk of stream) {
    if (end + chunk.length > bytes.length) {
      const larger = Buffer.allocUnsafe(2 * (end + chunk.length));
      larger.set(bytes.subarray(0, end));
      bytes = larger;
    }
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return bytes.subarray(0, end);
}
