/**
 * The longest `grpc-message`. Messages repeat what callers sent, and Java's clients take no more than 8 KiB of header fields,
 * of which `grpc-status-details-bin` repeats the message once more.
 */
const MAX_MESSAGE_BYTES = 2048;
const CUT_OFF = ' …';
/** Printable ASCII without "%", and without a space at its ends. */
const PLAIN = /^(?! )[\x20-\x24\x26-\x7e]*(?<! )$/;

/**
 * `grpc-message` allows printable ASCII without "%"; everything else is percent-encoded UTF-8
 * (https://github.com/grpc/grpc/blob/v1.60.0/doc/PROTOCOL-HTTP2.md, "Status-Message"), and so is a space where no header
 * field may have one: at its ends (RFC 9113 section 8.2.1).
 */
export function encodeStatusMessage(message: string): string {
  return encode(cutStatusMessage(message));
}

/** The message, or as much of it as has room in `grpc-message`, no character cut in two. */
export function cutStatusMessage(message: string): string {
  if (message.length <= MAX_MESSAGE_BYTES && encode(message).length <= MAX_MESSAGE_BYTES) {
    return message;
  }
  const room = MAX_MESSAGE_BYTES - encode(CUT_OFF).length;
  let shown = '';
  let bytes = 0;
  for (const character of message.slice(0, MAX_MESSAGE_BYTES)) {
    bytes += encode(character).length;
    if (bytes > room) break;
    shown += character;
  }
  return shown + CUT_OFF;
}

function encode(message: string): string {
  if (PLAIN.test(message)) return message;
  let text = '';
  for (const byte of Buffer.from(message, 'utf8')) {
    text +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text.replace(/^ | $/g, '%20');
}
