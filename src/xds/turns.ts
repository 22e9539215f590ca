// Work for many streams in short turns: requests are taken in and a new state is taken to one stream after the other,
// and between turns the event loop serves sockets, pings and everybody else. No stream is in the queue twice.

/** How long one turn may hold the event loop, in milliseconds, unless a single job takes longer. */
const turnMs = 8;

/** So many requests are taken in for each stream that is brought to a new state, while there are both. */
const urgentForOne = 4;

/** A queue of jobs, run in the order added. A job that is added again while it waits runs once. */
export class Turns {
  private readonly urgent = new Set<() => void>();
  private readonly jobs = new Set<() => void>();
  private scheduled = false;
  private urgentInRow = 0;

  /**
   * Adds a job. `urgent` ones go first, though not always: what a client asks for or acknowledges is quicker done
   * than a new state for all, and frees what others wait for.
   */
  add(job: () => void, urgent = false): void {
    if (urgent) {
      this.jobs.delete(job);
      this.urgent.add(job);
    } else if (!this.urgent.has(job)) this.jobs.add(job);
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.run);
  }

  remove(job: () => void): void {
    this.urgent.delete(job);
    this.jobs.delete(job);
  }

  /** How many jobs wait. */
  get size(): number {
    return this.urgent.size + this.jobs.size;
  }

  private readonly run = (): void => {
    const end = performance.now() + turnMs;
    try {
      for (let job = this.next(); job !== undefined; job = this.next()) {
        job();
        if (performance.now() > end) break;
      }
    } finally {
      // One that throws must not stop the others.
      this.scheduled = this.size > 0;
      if (this.scheduled) setImmediate(this.run);
    }
  };

  private next(): (() => void) | undefined {
    const isTurnOfOthers = this.urgentInRow >= urgentForOne && this.jobs.size > 0;
    const from = this.urgent.size > 0 && !isTurnOfOthers ? this.urgent : this.jobs;
    this.urgentInRow = from === this.urgent ? this.urgentInRow + 1 : 0;
    for (const job of from) {
      from.delete(job);
      return job;
    }
    return undefined;
  }
}
