import { encodeHeaderBlock, type HeaderBlock } from '../http2/header-block.ts';

export const ACCEPTED_ENCODINGS = { 'grpc-accept-encoding': 'identity,gzip' } as const;

const PLAIN = encodeHeaderBlock({
  ':status': 200,
  'content-type': 'application/grpc',
  ...ACCEPTED_ENCODINGS,
});
const PACKED = encodeHeaderBlock({ ...PLAIN.fields, 'grpc-encoding': 'gzip' });

/** The head of an answer. @param isPacked whether messages may be marked as compressed */
export function headOf(isPacked: boolean): HeaderBlock {
  return isPacked ? PACKED : PLAIN;
}

/**
 * Whether a call is answered with gzip. A client that packs its messages takes such answers too, unless it says what it takes
 * and that is not among it.
 *
 * @param encoding what its messages are packed with
 */
export function packsAnswers(
  call: { metadata(name: string): string | undefined },
  encoding: string,
): boolean {
  return encoding === 'gzip' && call.metadata('grpc-accept-encoding')?.includes('gzip') !== false;
}
