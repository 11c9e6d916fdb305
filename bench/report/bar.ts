import type { PartName, Parts } from './results.ts';

/** What was measured, and whether it is what was promised. `isMet` is absent where this machine cannot tell. */
export interface Judgement {
  readonly measured: string;
  readonly isMet?: boolean;
}

/** One promise. */
export interface Bar {
  readonly bar: string;
  /** The part that measures it. */
  readonly part: PartName;
  /** From the newest figures of each part; `undefined` where they are not there. */
  readonly judge: (parts: Partial<Parts>, cores: number) => Judgement | undefined;
}
