// The bytes that wait for clients, of all streams together. A Buffer that many streams have counts once: what is
// counted is what cannot be freed. Streams that may not start another message because of the bound wait here.
// Nothing is written here.

/** Pieces smaller than this are counted for each stream; larger ones have memory of their own (Buffer's pool). */
const ownMemoryFrom = 4096;

/** Accounts for unsent messages, and tells waiting streams when there is room again. */
export class UnsentBytes {
  /** Bytes of memory that unsent messages hold. */
  held = 0;
  private readonly owners = new Map<ArrayBufferLike, number>();
  private readonly waiting = new Set<() => void>();

  constructor(readonly max: number) {}

  /** How many streams wait for room. */
  get waiters(): number {
    return this.waiting.size;
  }

  /** May another message be made? The check comes before its making, so the bound is passed by one message at most. */
  hasRoom(): boolean {
    return this.held < this.max;
  }

  /** Notes that a message's pieces wait for a client. */
  add(pieces: readonly Buffer[]): void {
    for (const { buffer, length } of pieces) {
      if (length < ownMemoryFrom) {
        this.held += length;
        continue;
      }
      const owners = this.owners.get(buffer) ?? 0;
      if (owners === 0) this.held += buffer.byteLength;
      this.owners.set(buffer, owners + 1);
    }
  }

  /** Notes that they were sent, or given up. */
  remove(pieces: readonly Buffer[]): void {
    for (const { buffer, length } of pieces) {
      if (length < ownMemoryFrom) {
        this.held -= length;
        continue;
      }
      const owners = this.owners.get(buffer) ?? 1;
      if (owners > 1) {
        this.owners.set(buffer, owners - 1);
        continue;
      }
      this.owners.delete(buffer);
      this.held -= buffer.byteLength;
    }
    if (this.waiting.size > 0 && this.hasRoom()) this.wake();
  }

  /** Calls `ready` once, when there is room. */
  await(ready: () => void): void {
    this.waiting.add(ready);
  }

  forget(ready: () => void): void {
    this.waiting.delete(ready);
  }

  // All of them, for one may have nothing to send any more; those that find no room left wait again, in this order.
  private wake(): void {
    const ready = [...this.waiting];
    this.waiting.clear();
    for (const call of ready) call();
  }
}
