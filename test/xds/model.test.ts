// Random clients against a plain model, both variants: whatever they subscribe to, accept, refuse, and however often
// they come back, in the end they hold what the snapshot has; nothing accepted is sent again without a reason; one
// response of a type is unanswered; clusters come before what needs them and go after it.
import fc from 'fast-check';
import t from 'tap';
import { defaultQuarantineTimes, Quarantine } from '../../src/xds/quarantine.js';
import type { Variant } from '../../src/xds/status.js';
import type { Response } from './client.js';
import { markOf, Talk, typeUrls } from './conversation.js';
import type { World } from './resources.js';

const types = ['CDS', 'EDS', 'LDS', 'RDS'] as const;
type Type = (typeof types)[number];
const keys = { CDS: 'clusters', EDS: 'endpoints', LDS: 'listeners', RDS: 'routes' } as const;
const names = ['a', 'b', 'c', 'd'];
const isWholeSet = (type: Type) => type === 'CDS' || type === 'LDS';

const marks = fc.dictionary(fc.constantFrom(...names), fc.integer({ min: 1, max: 3 }));
const world = fc.record({ clusters: marks, endpoints: marks, listeners: marks, routes: marks });
const anyType = fc.constantFrom(...types);
const change = fc
  .tuple(fc.constantFrom('+', '-'), fc.constantFrom(...names))
  .map((c) => c.join(''));

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('set' as const), world }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('open' as const), type: anyType }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('names' as const), type: anyType, change }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('ack' as const), type: anyType }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('nack' as const), type: anyType }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stale' as const), type: anyType }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('block' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('flow' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

class Model {
  readonly talk: Talk;
  private goal: World | undefined;
  private readonly history: World[] = [];
  private readonly unanswered = new Set<Type>();
  /** Names that may be sent although they are held: asked for since, in a refused response, of a warming cluster. */
  private readonly excused = new Map<Type, Set<string>>(types.map((type) => [type, new Set()]));
  /** False once a refusal, a reconnect or a client of another habit is in play: no order is promised then. */
  private orderly = true;

  /** `named`: clusters and listeners by name too, as gRPC clients have it; else all of them, as Envoy. */
  constructor(
    private readonly variant: Variant,
    private readonly named: boolean,
  ) {
    this.talk = new Talk(variant, { quarantine: newQuarantine() });
    this.talk.named = named;
  }

  private isWildcard(type: Type): boolean {
    return isWholeSet(type) && !this.named;
  }

  run(steps: readonly Step[]): void {
    for (const each of steps) {
      this.act(each);
      this.look();
    }
    this.finish();
  }

  private act(each: Step): void {
    const { talk } = this;
    switch (each.do) {
      case 'set': {
        const before = this.history.at(-1);
        this.goal = each.world;
        this.history.push(each.world);
        // What went and comes back is sent again: SotW cannot tell whether the client kept it (GCP#583).
        for (const type of types) {
          for (const name of names) {
            const always = [before, each.world].every(
              (state) => name in (state?.[keys[type]] ?? {}),
            );
            if (!always) this.excused.get(type)!.add(name);
          }
        }
        talk.set(each.world);
        return;
      }
      case 'clear':
        this.goal = undefined;
        talk.set(undefined);
        return;
      case 'open':
        if (this.named && isWholeSet(each.type)) return;
        if (!talk.side(each.type).opened) this.request(each.type, []);
        return;
      case 'names':
        if (this.isWildcard(each.type)) return;
        // The same names again are a question: a client that warms something asks so.
        if (each.change.startsWith('+') === talk.side(each.type).names.has(each.change.slice(1)))
          return;
        this.request(each.type, [each.change]);
        return;
      case 'ack':
        if (this.unanswered.delete(each.type)) talk.ack(each.type);
        return;
      case 'nack':
        if (!this.unanswered.delete(each.type)) return;
        this.orderly = false;
        this.refusedRemovals(each.type);
        for (const name of talk.side(each.type).last!.names) this.excused.get(each.type)!.add(name);
        talk.nack(each.type, 'bad');
        return;
      case 'stale':
        if (talk.side(each.type).oldNonce === '') return;
        talk.request(each.type, [], { nonce: talk.side(each.type).oldNonce });
        return;
      case 'block':
        talk.blocked = true;
        return;
      case 'flow':
        talk.flow();
        return;
      case 'reconnect':
        this.reconnect();
    }
  }

  /** What is refused is a resource; a removal cannot be. */
  private refusedRemovals(type: Type): void {
    const { held, last } = this.talk.side(type);
    const whole = this.variant === 'sotw' && isWholeSet(type);
    const gone = whole ? [...held.keys()].filter((n) => !last!.names.includes(n)) : last!.removed;
    for (const name of gone) held.delete(name);
  }

  private request(type: Type, changes: string[]): void {
    const side = this.talk.side(type);
    // A SotW client that waits for an answer has no right nonce for new names: they go with its next ACK.
    if (this.variant === 'sotw' && this.unanswered.has(type)) return;
    for (const c of changes) if (c.startsWith('+')) this.excused.get(type)!.add(c.slice(1));
    // The order holds for clients that ask for clusters first, as Envoy does.
    if (this.named) this.orderly = false;
    const late = type === 'CDS' && (this.talk.side('LDS').opened || this.talk.side('RDS').opened);
    if (late && !side.opened) this.orderly = false;
    if (!side.opened && this.variant === 'sotw')
      for (const n of names) this.excused.get(type)!.add(n);
    this.talk.request(type, changes);
  }

  private reconnect(): void {
    const open = types.filter((type) => this.talk.side(type).opened);
    this.unanswered.clear();
    this.orderly = false;
    this.talk.blocked = false;
    this.talk.reconnect();
    for (const type of open) {
      // SotW resends a type whole when the version is not the newest.
      if (this.variant === 'sotw') for (const name of names) this.excused.get(type)!.add(name);
      // Without names it would ask for everything.
      const asksAll = this.named && isWholeSet(type) && this.talk.side(type).names.size === 0;
      if (!asksAll) this.talk.request(type, []);
    }
  }

  private look(): void {
    for (const response of this.talk.received()) {
      const type = types.find((each) => typeUrls[each] === response.typeUrl)!;
      if (this.unanswered.has(type)) throw new Error(`two unanswered ${type}`);
      this.unanswered.add(type);
      this.checkReason(type, response);
      if (this.orderly) this.checkOrder(type, response);
      for (const name of response.names) this.excused.get(type)!.delete(name);
      if (type === 'CDS') for (const name of response.names) this.excused.get('EDS')!.add(name);
    }
    if (this.orderly && !this.talk.blocked && this.goal !== undefined) this.checkEndpoints();
  }

  /** No cluster that the client was sent is left waiting for endpoints that it asked for. */
  private checkEndpoints(): void {
    const [clusters, endpoints] = [this.talk.side('CDS'), this.talk.side('EDS')];
    if (!clusters.opened || clusters.last === undefined || this.unanswered.has('EDS')) return;
    const kept = this.variant === 'sotw' ? [] : [...clusters.held.keys()];
    for (const name of new Set([...clusters.last.names, ...kept])) {
      if (clusters.last.removed.includes(name) || !endpoints.names.has(name)) continue;
      const states = this.history.filter((state) => name in (state.clusters ?? {}));
      const always = states.every((state) => name in (state.endpoints ?? {}));
      if (always && !endpoints.held.has(name))
        throw new Error(`cluster ${name} waits for endpoints`);
    }
  }

  private checkReason(type: Type, response: Response): void {
    const side = this.talk.side(type);
    for (const name of response.names) {
      if (!this.isWildcard(type) && !side.names.has(name))
        throw new Error(`${type} ${name} is not asked for`);
      if (this.variant === 'sotw' && isWholeSet(type)) continue;
      const held = side.held.get(name)?.mark;
      if (held === markOf(response, name) && !this.excused.get(type)!.has(name)) {
        throw new Error(`${type} ${name}${held} is sent again without a reason`);
      }
    }
  }

  private checkOrder(type: Type, response: Response): void {
    const { talk, history } = this;
    const clusters = talk.side('CDS');
    if (this.goal === undefined || !clusters.opened || clusters.last === undefined) return;
    if ((type === 'LDS' || type === 'RDS') && response.names.length > 0 && !this.asked(type)) {
      // Some state has all of this, and its clusters were accepted before.
      const ready = history.some(
        (state) =>
          response.names.some((name) => state[keys[type]]?.[name] === markOf(response, name)) &&
          Object.keys(state.clusters ?? {}).every((name) => clusters.held.has(name)),
      );
      if (!ready) throw new Error(`${type} ${response.names} before its clusters were accepted`);
    }
    if (type !== 'CDS') return;
    const kept = new Set(response.names);
    for (const gone of clusters.held.keys()) {
      const removed = this.variant === 'sotw' ? !kept.has(gone) : response.removed.includes(gone);
      if (removed) this.checkUnused(gone);
    }
  }

  /** Everything that the client accepted is of a state without that cluster. */
  private checkUnused(cluster: string): void {
    const without = this.history.filter((state) => !(cluster in (state.clusters ?? {})));
    for (const user of ['LDS', 'RDS'] as const) {
      const side = this.talk.side(user);
      if (!side.opened) continue;
      for (const [name, { mark }] of side.held) {
        const fine = without.some((state) => [undefined, mark].includes(state[keys[user]]?.[name]));
        if (!fine)
          throw new Error(`cluster ${cluster} removed while ${user} ${name}${mark} is in use`);
      }
    }
  }

  /** A direct answer to a new subscription need not wait. */
  private asked(type: Type): boolean {
    return this.talk.side(type).held.size === 0 || this.excused.get(type)!.size > 0;
  }

  /** Everything is accepted from now on, and each resource changes once more. */
  private finish(): void {
    const { talk } = this;
    talk.flow();
    this.look();
    const last: World = {};
    for (const type of types) {
      const marksNow = this.goal?.[keys[type]] ?? { a: 1 };
      last[keys[type]] = Object.fromEntries(Object.keys(marksNow).map((name) => [name, 9]));
    }
    this.goal = last;
    this.history.push(last);
    talk.set(last);
    for (let rounds = 0; ; rounds++) {
      this.look();
      if (this.unanswered.size === 0) break;
      if (rounds > 50) throw new Error('it never ends');
      for (const type of this.unanswered) talk.ack(type);
      this.unanswered.clear();
    }
    for (const type of types) this.compare(type, last[keys[type]]!);
  }

  private compare(type: Type, goal: Record<string, number>): void {
    const side = this.talk.side(type);
    if (!side.opened) return;
    const wanted = Object.keys(goal).filter(
      (name) => this.isWildcard(type) || side.names.has(name),
    );
    for (const name of wanted) {
      const held = side.held.get(name)?.mark;
      if (held !== 9) throw new Error(`in the end ${type} ${name} is ${held}`);
    }
    const extra = [...side.held.keys()].filter((name) => !wanted.includes(name));
    // SotW cannot take a named resource away.
    if (extra.length > 0 && (isWholeSet(type) || this.variant === 'delta')) {
      throw new Error(`in the end ${type} still has ${extra}`);
    }
  }
}

for (const variant of ['sotw', 'delta'] as const) {
  for (const named of [false, true]) {
    t.test(`random clients (${variant}, ${named ? 'all by name' : 'wildcards'})`, async (t) => {
      const numRuns = Number(process.env['MODEL_RUNS'] ?? 200);
      const seed = Number(process.env['MODEL_SEED'] ?? Date.now() % 2 ** 31);
      t.comment(`MODEL_SEED=${seed}`);
      fc.assert(
        fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) =>
          new Model(variant, named).run(steps),
        ),
        { numRuns, seed },
      );
    });
  }
}

/** As a server has it by default; time stands still. */
function newQuarantine(): Quarantine {
  return new Quarantine({ ...defaultQuarantineTimes, now: () => 1, later: () => undefined });
}
