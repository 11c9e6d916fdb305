import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { untilDeadline } from '../../src/transformation/until-deadline.ts';

test('a deadline that no timer holds is waited for', async () => {
  const deadlineAtMs = performance.now() + 8760 * 3_600_000;
  expect(await untilDeadline(sleep(20, 'done'), { deadlineAtMs })).toBe('done');
});

test('what comes after the deadline is dropped', async () => {
  const deadlineAtMs = performance.now() + 5;
  const waiting = untilDeadline(sleep(50, 'done'), { deadlineAtMs });
  await expect(waiting).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});
