// Work for many streams in short turns: a new state is taken to one stream after the other, and between turns the
// event loop serves ACKs, pings and everybody else. No stream is in the queue twice.

/** How long one turn may hold the event loop, in milliseconds, unless a single job takes longer. */
const turnMs = 8;

/** A queue of jobs, run in the order added. A job that is added again while it waits runs once. */
export class Turns {
  private readonly jobs = new Set<() => void>();
  private scheduled = false;

  add(job: () => void): void {
    this.jobs.add(job);
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.run);
  }

  remove(job: () => void): void {
    this.jobs.delete(job);
  }

  has(job: () => void): boolean {
    return this.jobs.has(job);
  }

  private readonly run = (): void => {
    const end = performance.now() + turnMs;
    for (const job of this.jobs) {
      this.jobs.delete(job);
      job();
      if (performance.now() > end) break;
    }
    this.scheduled = this.jobs.size > 0;
    if (this.scheduled) setImmediate(this.run);
  };
}
