import { expect, test } from 'vitest';
import { WaitingLine, type PlaceInLine } from '../../src/admission/waiting-line.ts';
import { entrant } from './simulated-server.ts';

const stand = (line: WaitingLine, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const each = entrant({ letIn() {}, refuse() {} });
    line.push(each, i);
    return each;
  });

test('who goes away from anywhere in the line leaves the others in their order', () => {
  const line = new WaitingLine();
  const [first, second, third, fourth] = stand(line, 4);
  line.remove(third!);
  line.remove(third!);
  line.remove(first!);
  expect([line.count, line.bytes, line.next?.entrant]).toEqual([2, 200, second]);
  line.remove(fourth!);
  line.remove(second!);
  expect([line.count, line.bytes, line.next]).toEqual([0, 0, undefined]);
});

test('a place that was left keeps nobody else in memory', () => {
  const line = new WaitingLine();
  const all = stand(line, 3);
  const places = all.map(({ place }): PlaceInLine => place!);
  for (const each of [all[1]!, all[0]!, all[2]!]) line.remove(each);
  for (const { before, behind } of places) expect([before, behind]).toEqual([undefined, undefined]);
});
