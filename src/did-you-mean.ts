/** Longer words are nobody's slip of the finger. */
const MAX_WORD_LENGTH = 100;
/** How many known words are looked at, and how many pairs of letters compared: a millisecond, whoever asks. */
const MAX_WORDS = 20_000;
const MAX_COMPARISONS = 200_000;

/**
 * The known word that a misspelt one most likely stands for, or `undefined` when none is near: at most one edit for each
 * three letters, a swap of neighbours counting as one, upper and lower case and `-` and `_` alike. Of very many known words
 * only the first are looked at.
 */
export function closestWord(word: string, known: Iterable<string>): string | undefined {
  if (word.length > MAX_WORD_LENGTH) return undefined;
  const wanted = plain(word);
  let best: string | undefined;
  let bestDistance = Infinity;
  let words = 0;
  let comparisons = 0;
  for (const candidate of known) {
    words += 1;
    if (words > MAX_WORDS || comparisons > MAX_COMPARISONS) break;
    const most = Math.min(bestDistance - 1, Math.max(1, Math.floor(candidate.length / 3)));
    if (Math.abs(candidate.length - word.length) > most) continue;
    comparisons += candidate.length * word.length;
    const distance = editDistance(wanted, plain(candidate));
    if (distance > most) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** `; did you mean X?`, or '' when no known word is near. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const closest = closestWord(word, known);
  return closest === undefined ? '' : `; did you mean ${closest}?`;
}

/** `; is X meant to be Y?` for the first of the missing names that one of those given is near, or ''. */
export function isMeantToBe(given: readonly string[], missing: readonly string[]): string {
  for (const name of missing) {
    const closest = closestWord(name, given);
    if (closest !== undefined) return `; is ${closest} meant to be ${name}?`;
  }
  return '';
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll('-', '_');
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
function editDistance(left: string, right: string): number {
  const width = right.length + 1;
  let beforeLast = new Int32Array(width);
  let last = Int32Array.from({ length: width }, (_, j) => j);
  let row = new Int32Array(width);
  for (let i = 1; i <= left.length; i += 1) {
    row[0] = i;
    for (let j = 1; j < width; j += 1) {
      const replaced = last[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      let distance = Math.min(last[j]! + 1, row[j - 1]! + 1, replaced);
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        distance = Math.min(distance, beforeLast[j - 2]! + 1);
      }
      row[j] = distance;
    }
    [beforeLast, last, row] = [last, row, beforeLast];
  }
  return last[right.length]!;
}
