import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { cancelled, deadlineExceeded, SideboardError } from '../errors.ts';
import { BodyRejected, detailAnswer } from './feast-error.ts';
import type { Exchange } from './http-call.ts';

const unzip = promisify(gunzip);

/**
 * The body of a request, unpacked if it came gzipped. Waits for the caller's bytes no longer than its deadline.
 *
 * @throws SideboardError MESSAGE_TOO_LARGE (packed or unpacked), DEADLINE_EXCEEDED, CANCELLED
 * @throws BodyRejected for another content encoding or broken gzip
 */
export async function readRequestBody(exchange: Exchange, maxBytes: number): Promise<Buffer> {
  const { request } = exchange;
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip') {
    throw new BodyRejected(
      detailAnswer(415, `Content-Encoding ${encoding} is not supported; use identity or gzip`, {
        'accept-encoding': 'gzip',
      }),
    );
  }
  const body = await receive(exchange, maxBytes);
  return encoding === 'gzip' ? await unpack(body, maxBytes) : body;
}

function receive(exchange: Exchange, maxBytes: number): Promise<Buffer> {
  const { request, deadlineAtMs } = exchange;
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) return Promise.reject(bodyTooLarge(maxBytes, announced));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let timer: NodeJS.Timeout | undefined;
    let isSettled = false;
    /** An error is made only for whom it reaches: every request is closed in the end. */
    const fail = (errorOf: () => SideboardError): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      request.off('data', onData);
      request.pause();
      reject(errorOf());
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > maxBytes) fail(() => bodyTooLarge(maxBytes));
      else chunks.push(chunk);
    };
    const untilDeadlineMs = deadlineAtMs - performance.now();
    if (untilDeadlineMs < 2 ** 31) {
      timer = setTimeout(
        () => fail(() => deadlineExceeded('while the request was arriving')),
        Math.max(untilDeadlineMs, 0),
      );
    }
    request.on('data', onData);
    request.on('end', () => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length));
    });
    request.on('error', () => fail(cancelled));
    request.on('close', () => fail(cancelled));
  });
}

async function unpack(body: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await unzip(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw bodyTooLarge(maxBytes);
    }
    throw new BodyRejected(detailAnswer(400, 'The request body is not valid gzip'));
  }
}

/** @param bytes as announced; absent where the body was cut off before its end was known. */
function bodyTooLarge(maxBytes: number, bytes?: number): SideboardError {
  const excess =
    bytes === undefined
      ? `is larger than the ${maxBytes} bytes`
      : `has ${bytes} bytes, ${bytes - maxBytes} more than the ${maxBytes}`;
  return new SideboardError(
    'MESSAGE_TOO_LARGE',
    `the request body ${excess} allowed (setting max_request_bytes): ask for fewer rows at a time`,
  );
}
