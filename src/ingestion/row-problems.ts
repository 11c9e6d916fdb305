/** What is wrong with the rows of a frame, by kind. Rows count from 0; values are never named. */
export interface RowProblems {
  readonly isEmpty: boolean;
  add(problem: string, row: number): void;
  /** `rows 3, 17 (and 40 more): trips is no INT64; row 5: …`. */
  describe(): string;
}

/** How many rows with one problem are named; the others are counted. */
const MAX_NAMED_ROWS = 5;
/** How many problems are told. */
const MAX_PROBLEMS = 10;

export function createRowProblems(): RowProblems {
  const rowsByProblem = new Map<string, { count: number; readonly first: number[] }>();
  return {
    get isEmpty() {
      return rowsByProblem.size === 0;
    },
    add(problem, row) {
      const rows = rowsByProblem.get(problem) ?? { count: 0, first: [] };
      rowsByProblem.set(problem, rows);
      rows.count++;
      if (rows.first.length < MAX_NAMED_ROWS) {
        rows.first.push(row);
      }
    },
    describe() {
      const told = [...rowsByProblem].slice(0, MAX_PROBLEMS).map(([problem, { count, first }]) => {
        const more = count - first.length;
        const rows = `row${count > 1 ? 's' : ''} ${first.join(', ')}${more > 0 ? ` (and ${more} more)` : ''}`;
        return `${rows}: ${problem}`;
      });
      const rest = rowsByProblem.size - told.length;
      return told.join('; ') + (rest > 0 ? `; and ${rest} more problems` : '');
    },
  };
}
