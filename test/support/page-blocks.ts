import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** A fenced block of a page. */
export interface PageBlock {
  /** Path of the page from the root of the project. */
  readonly page: string;
  /** The word after the fence, '' where there is none. */
  readonly language: string;
  /** Without the fences; ends in a newline. */
  readonly text: string;
  /** Of the fence, from 1. */
  readonly line: number;
}

/** The fenced blocks of a page, in their order. @param page such as `docs/writing.md` */
export function blocksOf(page: string): readonly PageBlock[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    page,
    language: match[1] ?? '',
    text: match[2] ?? '',
    line: text.slice(0, match.index).split('\n').length,
  }));
}

/** The texts of the blocks of one kind. @throws Error where the page has none */
export function textsOf(page: string, language: string): readonly string[] {
  const texts = blocksOf(page).flatMap((block) =>
    block.language === language ? [block.text] : [],
  );
  if (texts.length === 0) throw new Error(`${page} has no block of ${language}`);
  return texts;
}

/** What is to be typed of a block that shows a terminal: the lines after `$ `, and those that go on from one by `\`. */
export function typedLines(text: string): string {
  let goesOn = false;
  return text
    .split('\n')
    .flatMap((line) => {
      const typed = goesOn ? line : /^\$ (.*)$/.exec(line)?.[1];
      goesOn = typed?.endsWith('\\') ?? false;
      return typed === undefined ? [] : [`${typed}\n`];
    })
    .join('');
}
