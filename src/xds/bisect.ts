// Which resources of a refused response are at fault, found by sending parts of them: halves of what was refused, until
// one that is refused alone is known. Pure: stream.ts says what was sent and how it was answered.
import type { EncodedResource } from '../snapshot/snapshot.js';

/** Names of suspects in the client's text. `certain`: it lists every resource at fault, and took the others. */
export interface Guess {
  readonly names: ReadonlySet<string>;
  readonly certain: boolean;
}

type Suspects = readonly EncodedResource[];

/**
 * One search, from a refusal to the end. At each moment some suspects are on trial (they may be sent) and the others
 * are withheld. About log2(n) + 2 responses for each culprit among n.
 */
export class Search {
  /** Responses that were refused so far. */
  refusals = 0;
  /** The client's text at the last of them. */
  message = '';
  /** Most suspects at once; the bound of the search is computed from it. */
  private largest = 1;
  /** Not tried since they were refused together with others. */
  private untried: Suspects = [];
  /** The other part of what was refused when the part on trial was split off: at fault if that one is accepted. */
  private rest: { readonly suspects: Suspects; readonly named: boolean } | undefined;
  private withheldNow: ReadonlyMap<string, string> | undefined;

  /** Name and version of what must not be sent now. */
  get withheld(): ReadonlyMap<string, string> {
    if (this.withheldNow === undefined) {
      const all = [...this.untried, ...(this.rest?.suspects ?? [])];
      this.withheldNow = new Map(all.map(({ name, version }) => [name, version]));
    }
    return this.withheldNow;
  }

  /** Nothing is withheld: when what is sent then is accepted, the search is over. */
  get isLast(): boolean {
    return this.withheld.size === 0;
  }

  /** Responses that may be refused before the search is given up: enough for 8 culprits and more. */
  get isHopeless(): boolean {
    return this.refusals > 10 * (Math.ceil(Math.log2(this.largest)) + 2);
  }

  /** A response with these new or changed resources was refused. Gives those that are at fault for sure. */
  refused(suspects: Suspects, guess: Guess): Suspects {
    this.refusals++;
    this.largest = Math.max(this.largest, suspects.length);
    if (this.rest !== undefined) this.untried = [...this.untried, ...this.rest.suspects];
    this.rest = undefined;
    this.withheldNow = undefined;
    if (suspects.length <= 1) return this.found(suspects);
    const named = suspects.filter(({ name }) => guess.names.has(name));
    if (named.length > 0 && guess.certain) return this.found(named);
    const guilty = named.length > 0 && named.length < suspects.length ? named : undefined;
    if (guilty !== undefined) this.rest = { suspects: guilty, named: true };
    else this.split(suspects);
    return [];
  }

  /** What was on trial was accepted, or nothing had to be sent for it. Gives those at fault for sure. */
  accepted(): Suspects {
    const { rest } = this;
    this.rest = undefined;
    this.withheldNow = undefined;
    if (rest === undefined) {
      this.untried = [];
      return [];
    }
    if (rest.suspects.length > 1) {
      this.split(rest.suspects);
      return [];
    }
    // Named, and everything else was accepted: it need not be refused once more.
    if (rest.named) return this.found(rest.suspects);
    return [];
  }

  /** Nothing had to be sent for what was on trial, so nothing is known of the rest: it is tried next. */
  skipped(): void {
    this.rest = undefined;
    this.found([]);
  }

  /** The rest of a refused part goes on trial next, after the culprits were taken out of it. */
  private found(culprits: Suspects): Suspects {
    // All the others together: most often there was one culprit.
    this.untried = [];
    this.withheldNow = undefined;
    return culprits;
  }

  private split(suspects: Suspects): void {
    const half = suspects.length >> 1;
    this.rest = { suspects: suspects.slice(half), named: false };
  }
}
