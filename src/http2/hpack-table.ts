import { createField, fieldBytes, type HpackField } from './hpack-field.ts';
import { STATIC_FIELDS } from './hpack-static-table.ts';

/** What clients may use for their table, in bytes: SETTINGS_HEADER_TABLE_SIZE as it is when nobody changes it. */
export const TABLE_BYTES = 4096;
/** A field counts at least 32 bytes: so many fit, a power of two. */
const SLOTS = TABLE_BYTES / 32;

const STATIC: readonly HpackField[] = STATIC_FIELDS.map(([name, value]) =>
  createField(name, value),
);

/** The tables of one connection's decoder (RFC 7541 section 2.3): a ring of fields behind the static ones. */
export class HpackTable {
  private readonly slots: (HpackField | undefined)[] = Array.from({ length: SLOTS });
  /** Grows with every change: as long as it is the same, equal blocks mean equal fields. */
  version = 0;
  /** Fields inserted since the beginning; the newest is in the slot before it. */
  private insertCount = 0;
  private count = 0;
  private bytes = 0;
  private maxBytes = TABLE_BYTES;

  /** The field at an index of HPACK's, which begins with 1; `undefined` = there is none. */
  field(index: number): HpackField | undefined {
    if (index <= STATIC.length) return STATIC[index - 1];
    const age = index - STATIC.length;
    return age > this.count ? undefined : this.slots[(this.insertCount - age) & (SLOTS - 1)];
  }

  insert(field: HpackField): void {
    this.version += 1;
    const size = fieldBytes(field);
    this.shrinkTo(this.maxBytes - size);
    // A field larger than the table empties it and is not kept (RFC 7541 section 4.4).
    if (size > this.maxBytes) return;
    this.slots[this.insertCount & (SLOTS - 1)] = field;
    this.insertCount += 1;
    this.count += 1;
    this.bytes += size;
  }

  /** Takes a client's new size. False: more than it may have. */
  resize(maxBytes: number): boolean {
    if (maxBytes > TABLE_BYTES) return false;
    this.version += 1;
    this.maxBytes = maxBytes;
    this.shrinkTo(maxBytes);
    return true;
  }

  private shrinkTo(bytes: number): void {
    while (this.count > 0 && this.bytes > bytes) {
      const slot = (this.insertCount - this.count) & (SLOTS - 1);
      this.bytes -= fieldBytes(this.slots[slot]!);
      this.slots[slot] = undefined;
      this.count -= 1;
    }
  }
}
