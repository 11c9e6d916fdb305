/** A power of two. */
const COUNT = 1024;

/**
 * Streams that were reset by us lately: what the client sent before it knew is let pass. Clients count up, so that any thousand
 * streams one after the other are all remembered; a stream is forgotten when one that came so much later is reset. It is not a
 * `Set`, for under overload most streams are reset: see `StreamTable`.
 */
export class RecentResets {
  private readonly ids = new Uint32Array(COUNT);

  add(id: number): void {
    this.ids[(id >>> 1) % COUNT] = id;
  }

  has(id: number): boolean {
    return this.ids[(id >>> 1) % COUNT] === id;
  }
}
