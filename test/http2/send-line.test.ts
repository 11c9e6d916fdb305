import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SendLine, type InLine } from '../../src/http2/send-line.ts';

class Waiting implements InLine<Waiting> {
  readonly id: number;
  isInLine = false;
  nextInLine: Waiting | undefined;
  previousInLine: Waiting | undefined;

  constructor(id: number) {
    this.id = id;
  }
}

function idsOf({ first }: SendLine<Waiting>): number[] {
  const ids: number[] = [];
  for (let each = first; each !== undefined; each = each.nextInLine) ids.push(each.id);
  return ids;
}

it('keeps the order in which streams joined, whoever leaves', () => {
  const steps = fc.array(fc.record({ id: fc.nat({ max: 5 }), joins: fc.boolean() }));
  fc.assert(
    fc.property(steps, (sequence) => {
      const line = new SendLine<Waiting>();
      const streams = Array.from({ length: 6 }, (_, id) => new Waiting(id));
      let model: number[] = [];
      for (const { id, joins } of sequence) {
        if (joins) line.join(streams[id]!);
        else line.leave(streams[id]!);
        if (!joins) model = model.filter((each) => each !== id);
        else if (!model.includes(id)) model.push(id);
        expect(idsOf(line)).toEqual(model);
      }
      for (const stream of streams) {
        expect(stream.isInLine).toBe(model.includes(stream.id));
        // Who is out holds none of the others.
        if (!stream.isInLine) {
          expect([stream.nextInLine, stream.previousInLine]).toEqual([undefined, undefined]);
        }
      }
    }),
  );
});
