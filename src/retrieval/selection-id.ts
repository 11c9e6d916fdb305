import { Buffer } from 'node:buffer';
import type { EntityColumn, Selection } from './retrieval-request.ts';

/**
 * Identity of a selection: equal identities mean equal selections. Different spellings of one selection may have different
 * identities (they are then compiled once each).
 */
export interface SelectionId {
  /** Whether one that was kept is the same. Nothing is made for it: nearly every request asks for what another one did. */
  equals(kept: SelectionId): boolean;
  /** The same, for longer than its request. */
  keep(): SelectionId;
  /** Equal texts for equal identities. */
  toString(): string;
}

/** The identity of a selection that has been decoded. */
export class DecodedSelectionId implements SelectionId {
  private readonly selection: Selection;

  constructor(selection: Selection) {
    this.selection = selection;
  }

  equals(kept: SelectionId): boolean {
    if (!(kept instanceof DecodedSelectionId)) return false;
    const { selection } = this;
    const other = kept.selection;
    return (
      selection.featureService === other.featureService &&
      selection.fullFeatureNames === other.fullFeatureNames &&
      selection.includeVersionMetadata === other.includeVersionMetadata &&
      areSameTexts(selection.features, other.features) &&
      areSameTexts(selection.entityColumnNames, other.entityColumnNames) &&
      areSameTexts(selection.contextColumnNames, other.contextColumnNames)
    );
  }

  keep(): SelectionId {
    return this;
  }

  toString(): string {
    const { selection } = this;
    // A NUL cannot begin an encoded request, so no `EncodedSelectionId` has such a text.
    return `\0${JSON.stringify([
      selection.featureService ?? null,
      selection.features,
      selection.fullFeatureNames,
      selection.includeVersionMetadata,
      selection.entityColumnNames,
      selection.contextColumnNames,
    ])}`;
  }
}

function areSameTexts(texts: readonly string[], others: readonly string[]): boolean {
  if (texts.length !== others.length) return false;
  for (let i = 0; i < texts.length; i++) if (texts[i] !== others[i]) return false;
  return true;
}

type Named = Pick<EntityColumn, 'name'>;

/** An identity by the bytes of a message that are its selection, where they stand, and by the names of its columns. */
export class EncodedSelectionId implements SelectionId {
  private readonly bytes: Buffer;
  /** Positions of the pieces, the beginning and the end of each in turn. */
  private readonly pieces: readonly number[];
  private readonly columns: readonly Named[];
  private readonly contextColumns: readonly Named[];

  constructor(
    bytes: Buffer,
    pieces: readonly number[],
    columns: readonly Named[],
    contextColumns: readonly Named[],
  ) {
    this.bytes = bytes;
    this.pieces = pieces;
    this.columns = columns;
    this.contextColumns = contextColumns;
  }

  equals(kept: SelectionId): boolean {
    return (
      kept instanceof EncodedSelectionId &&
      haveSameNames(this.columns, kept.columns) &&
      haveSameNames(this.contextColumns, kept.contextColumns) &&
      this.hasBytes(kept.bytes)
    );
  }

  keep(): SelectionId {
    const bytes = Buffer.from(this.text(), 'latin1');
    return new EncodedSelectionId(
      bytes,
      [0, bytes.length],
      this.columns.map(({ name }) => ({ name })),
      this.contextColumns.map(({ name }) => ({ name })),
    );
  }

  toString(): string {
    // No tag is 0, so what follows cannot be mistaken for a field.
    return `${this.text()}\0${namesId(this.columns)}\0${namesId(this.contextColumns)}`;
  }

  private text(): string {
    let text = '';
    for (let i = 0; i < this.pieces.length; i += 2) {
      text += this.bytes.toString('latin1', this.pieces[i], this.pieces[i + 1]);
    }
    return text;
  }

  /** Whether the pieces end to end are these bytes. */
  private hasBytes(kept: Buffer): boolean {
    const { bytes, pieces } = this;
    let at = 0;
    for (let i = 0; i < pieces.length; i += 2) at += pieces[i + 1]! - pieces[i]!;
    if (at !== kept.length) return false;
    at = 0;
    for (let i = 0; i < pieces.length; i += 2) {
      const end = at + pieces[i + 1]! - pieces[i]!;
      if (bytes.compare(kept, at, end, pieces[i], pieces[i + 1]) !== 0) return false;
      at = end;
    }
    return true;
  }
}

function haveSameNames(columns: readonly Named[], others: readonly Named[]): boolean {
  if (columns.length !== others.length) return false;
  for (let i = 0; i < columns.length; i++) {
    if (columns[i]!.name !== others[i]!.name) return false;
  }
  return true;
}

/** The names, each with its length so that two lists are never alike. */
function namesId(columns: readonly Named[]): string {
  let id = '';
  for (const { name } of columns) id += `${name.length}:${name}`;
  return id;
}
