import { expect, test } from 'vitest';
import { errorReplyText } from '../../src/redis/redis-error.ts';

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';
const CALL = 'ERR Error running script (call to f_0123456789abcdef0123456789abcdef01234567)';

test.each([
  ['a command', WRONG_TYPE, WRONG_TYPE],
  ['a script, of Redis 6', `${CALL}: @user_script:31: ${WRONG_TYPE}`, WRONG_TYPE],
  [
    'a script on a replica, of Redis 6',
    `${CALL}: @user_script: 5: -READONLY You can't write against a read only replica.`,
    "READONLY You can't write against a read only replica.",
  ],
  [
    'a script, of Redis 7',
    `${WRONG_TYPE} script: 0123, on @user_script:31.`,
    `${WRONG_TYPE} script: 0123, on @user_script:31.`,
  ],
  [
    'a script with a mistake of its own',
    `${CALL}: @user_script:2: user_script:2: attempt to index a nil value`,
    `${CALL}: @user_script:2: user_script:2: attempt to index a nil value`,
  ],
  [
    'a command that does not exist',
    'ERR unknown command `hmgett`, with args beginning with: `driver:1001`, ',
    'ERR unknown command `hmgett`',
  ],
])('the error of %s begins with its code and repeats no argument', (_, reply, text) => {
  expect(errorReplyText(reply)).toBe(text);
});
