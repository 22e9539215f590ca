// A refused resource is found, held back alone at its last good version, and nothing else waits: a client that refuses
// some contents, naming them or not, taking the rest of a refused response or not, in both variants.
import fc from 'fast-check';
import t from 'tap';
import type { TypeUrl } from '../../src/envoy/resource.js';
import { defaultQuarantineTimes, type HeldBack, Quarantine } from '../../src/xds/quarantine.js';
import type { Variant } from '../../src/xds/status.js';
import type { Response } from './client.js';
import { markOf, Talk, typeUrls } from './conversation.js';
import { snapshot, type World } from './resources.js';

type Type = 'CDS' | 'EDS' | 'LDS' | 'RDS';
const keys = { CDS: 'clusters', EDS: 'endpoints', LDS: 'listeners', RDS: 'routes' } as const;
const types = Object.keys(keys) as Type[];
type Refuses = (type: Type, name: string, mark: number) => boolean;
type Naming = 'list' | 'one' | 'quote' | 'none';

/** Quarantine with a clock of its own. */
class Ward {
  readonly held: HeldBack[] = [];
  readonly released: string[] = [];
  private nowMs = 1_000_000;
  private jobs: { at: number; job: () => void }[] = [];
  /** Marks that may go in place of a refused cluster. */
  substitutes: readonly number[] = [];
  readonly quarantine = new Quarantine({
    ...defaultQuarantineTimes,
    now: () => this.nowMs,
    later: (ms, job) => void this.jobs.push({ at: this.nowMs + ms, job }),
    substitutes: ({ typeUrl, name }) =>
      this.substitutes.map((mark) => {
        const { types } = snapshot({ clusters: { [name]: mark } });
        return types.get(typeUrl as TypeUrl)!.resources.get(name)!;
      }),
    onHeldBack: (held) => this.held.push(held),
    onReleased: (held, reason) => this.released.push(`${held.name} ${reason}`),
  });

  pass(ms: number): void {
    this.nowMs += ms;
    const due = this.jobs.filter(({ at }) => at <= this.nowMs);
    this.jobs = this.jobs.filter(({ at }) => at > this.nowMs);
    for (const { job } of due) job();
  }
}

/** A client that keeps to the protocol and refuses what it does not like. */
class Picky {
  readonly talk: Talk;
  responses = 0;
  refusals = 0;
  /** Response by response: what was in it. */
  readonly sent: string[] = [];

  constructor(
    variant: Variant,
    ward: Ward,
    private readonly habits: {
      refuses: Refuses;
      naming?: Naming;
      partial?: boolean;
      id?: string;
      release?: string;
    },
  ) {
    const { id = 'one', release = '1.40.0' } = habits;
    const node = { id, release };
    this.talk = new Talk(variant, { quarantine: ward.quarantine, node });
  }

  set(world: World): this {
    this.talk.set(world);
    return this;
  }

  open(names: readonly string[] = []): this {
    this.talk.request('CDS', []);
    this.run();
    const plus = names.map((name) => `+${name}`);
    if (plus.length > 0) this.talk.request('EDS', plus);
    this.talk.request('LDS', []);
    if (plus.length > 0) this.talk.request('RDS', plus);
    this.run();
    return this;
  }

  /** Answers until nothing comes any more; gives the number of responses. */
  run(): number {
    const before = this.responses;
    for (let rounds = 0; rounds < 5000; rounds++) {
      const responses = this.talk.received();
      if (responses.length === 0) return this.responses - before;
      for (const response of responses) this.answer(response);
    }
    throw new Error('it never ends');
  }

  private answer(response: Response): void {
    this.responses++;
    const type = types.find((each) => typeUrls[each] === response.typeUrl)!;
    const marked = response.names.map((name) => `${name}${markOf(response, name)}`).sort();
    this.sent.push([type, ...marked, ...response.removed.map((name) => `-${name}`)].join(' '));
    const { refuses, naming = 'none', partial = false } = this.habits;
    const bad = response.names.filter((name) => refuses(type, name, markOf(response, name)));
    if (bad.length === 0) {
      this.talk.ack(type);
      return;
    }
    this.refusals++;
    if (partial || naming === 'list') this.take(type, response, new Set(bad));
    const texts = {
      list: `Cluster: Error adding/updating cluster(s) ${bad.map((n) => `${n}: no`).join(', ')}`,
      one: `goo.gle/debugstr\nname: "${bad[0]}"\nx {\n  name: "b"\n}\n: not valid`,
      quote: `there is something wrong in ${bad[0]} it seems`,
      none: 'no',
    };
    this.talk.nack(type, texts[naming]);
  }

  /** The good part of a refused response. */
  private take(type: Type, response: Response, bad: ReadonlySet<string>): void {
    const { held } = this.talk.side(type);
    if (this.talk.variant === 'sotw' && (type === 'CDS' || type === 'LDS')) {
      for (const name of held.keys()) if (!response.names.includes(name)) held.delete(name);
    }
    for (const name of response.names) {
      if (bad.has(name)) continue;
      held.set(name, {
        mark: markOf(response, name),
        version: response.versions.get(name) ?? '',
      });
    }
    for (const name of response.removed) held.delete(name);
  }

  has(type: Type): string {
    const marks = [...this.talk.side(type).held].map(([name, { mark }]) => `${name}${mark}`);
    return marks.sort().join(' ');
  }

  status(type: Type) {
    return this.talk.stream.status().find(({ typeUrl }) => typeUrl === typeUrls[type])!;
  }
}

const many = (count: number, mark: number, but: Record<string, number> = {}) => ({
  ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, mark])),
  ...but,
});
const marksOf = (marks: Record<string, number>) =>
  Object.entries(marks)
    .map(([name, mark]) => `${name}${mark}`)
    .sort()
    .join(' ');

for (const variant of ['sotw', 'delta'] as const) {
  for (const naming of ['list', 'one', 'quote', 'none'] as const) {
    t.test(`one bad cluster among 100, text: ${naming} (${variant})`, async (t) => {
      const ward = new Ward();
      const picky = new Picky(variant, ward, {
        naming,
        refuses: (_, name, mark) => name === 'c7' && mark === 2,
      });
      picky.set({ clusters: many(100, 1) }).open();
      const count = picky.set({ clusters: many(100, 2) }).run();
      t.equal(picky.has('CDS'), marksOf(many(100, 2, { c7: 1 })));
      t.ok(count <= (naming === 'none' ? 2 * (7 + 2) : 3), `${count} responses`);
      t.match(ward.held, [{ name: 'c7', client: 'envoy 1.40.0', refusedBy: ['one'] }]);
      t.equal(ward.held.length, 1);
      t.match(picky.status('CDS'), { state: 'SYNCED', heldBack: [{ name: 'c7' }] });
      t.equal(picky.status('CDS').heldBack?.[0]?.inForce, ward.held[0]?.inForce);
      // Nothing spins, and another edit goes through at once.
      picky.talk.wait(60_000);
      ward.pass(3_600_000);
      t.equal(picky.run(), 0, 'nothing more is sent');
      t.equal(picky.set({ clusters: many(100, 2, { c9: 3 }) }).run(), 1);
      t.equal(picky.has('CDS'), marksOf(many(100, 2, { c7: 1, c9: 3 })));
      // Mended.
      t.equal(picky.set({ clusters: many(100, 2, { c7: 3, c9: 3 }) }).run(), 1);
      t.equal(picky.has('CDS'), marksOf(many(100, 2, { c7: 3, c9: 3 })));
      ward.pass(1_000);
      t.same(ward.released, ['c7 changed']);
      t.equal(picky.status('CDS').heldBack, undefined);
    });
  }

  t.test(`each resource as the status of clients shows it (${variant})`, async (t) => {
    const ward = new Ward();
    const picky = new Picky(variant, ward, {
      naming: 'list',
      refuses: (_, name, mark) => name === 'bad' || (name === 'b' && mark === 2),
    });
    picky.set({ clusters: { a: 1, b: 1 } }).open();
    picky.set({ clusters: { a: 2, b: 2, bad: 1 } }).run();
    const resources = picky.talk.stream.resources().filter((r) => r.typeUrl === typeUrls['CDS']);
    t.same(
      resources.map(({ name, state }) => `${name} ${state}`),
      ['a SYNCED', 'b ERROR', 'bad ERROR'],
    );
    const [, b, bad] = resources;
    t.match(b!.nack, { message: /b: no/, version: ward.held[0]!.version, at: Date });
    t.equal(b!.version, ward.held[0]!.inForce, 'what is in force');
    t.equal(bad!.version, '');
  });

  t.test(`a resource that others do not know of, such as a secret (${variant})`, async (t) => {
    const ward = new Ward();
    const ecds = typeUrls['ECDS']!;
    const talk = new Talk(variant, { quarantine: ward.quarantine });
    talk.set({ others: { [ecds]: { cert: 1, ca: 1 } } });
    talk.request('ECDS', ['+cert', '+ca']);
    talk.taken();
    talk.ack('ECDS');
    talk.set({ others: { [ecds]: { cert: 2, ca: 1 } } });
    t.same(talk.taken(), ['ECDS cert2']);
    talk.nack('ECDS', 'Failed to load incomplete certificate');
    t.same(talk.taken(), ['ECDS cert1'], 'what it had, should it have dropped that');
    talk.ack('ECDS');
    t.match(ward.held, [{ name: 'cert', message: 'Failed to load incomplete certificate' }]);
    talk.set({ others: { [ecds]: { cert: 2, ca: 2 } } });
    t.same(talk.taken(), ['ECDS ca2'], 'others go on');
    talk.ack('ECDS');
    talk.set({ others: { [ecds]: { cert: 3, ca: 2 } } });
    t.same(talk.taken(), ['ECDS cert3']);
    talk.ack('ECDS');
  });

  t.test(`a new resource without a last good version is left out (${variant})`, async (t) => {
    const ward = new Ward();
    const picky = new Picky(variant, ward, { refuses: (_, name) => name === 'bad' });
    picky.set({ clusters: { a: 1, bad: 1, z: 1 } }).open();
    t.equal(picky.has('CDS'), 'a1 z1', 'at the first connect');
    picky.set({ clusters: { a: 1, bad: 2, z: 2 } }).run();
    t.equal(picky.has('CDS'), 'a1 z2', 'and at a change of it');
    picky.set({ clusters: { a: 1, z: 2 } }).run();
    ward.pass(1_000);
    t.same(ward.quarantine.list(), []);
  });

  t.test(`a substitute where there is no last good version (${variant})`, async (t) => {
    const ward = new Ward();
    ward.substitutes = [7, 8, 9];
    const habits = { refuses: (_: Type, name: string, mark: number) => name === 'bad' && mark < 8 };
    const picky = new Picky(variant, ward, habits);
    picky.set({ clusters: { a: 1, bad: 1, z: 1 } }).open();
    t.equal(picky.has('CDS'), 'a1 bad8 z1', 'the first one that it takes');
    t.match(ward.quarantine.list(), [{ name: 'bad', substituted: true }]);
    t.equal(ward.quarantine.list().length, 1, 'nothing else is held back');
    t.equal(picky.status('CDS').heldBack?.[0]?.inForce, ward.quarantine.list()[0]?.inForce);
    const other = new Picky(variant, ward, { ...habits, id: 'other' });
    other.set({ clusters: { a: 1, bad: 1, z: 1 } }).open();
    t.equal(other.has('CDS'), 'a1 bad8 z1', 'for another of the release at once');
    t.equal(other.refusals, 0);
    for (const ms of [1_000, 60_000, 3_600_000]) {
      ward.pass(ms);
      picky.run();
      other.run();
    }
    t.ok(picky.refusals + other.refusals < 12, 'nothing spins');

    ward.substitutes = [9];
    for (const each of [picky, other]) each.set({ clusters: { a: 2, bad: 2, z: 1 } }).run();
    t.equal(
      picky.has('CDS'),
      'a2 bad9 z1',
      'a change is in force, though what was before is accepted',
    );
    t.equal(other.has('CDS'), 'a2 bad9 z1');
    ward.substitutes = [3];
    for (const each of [picky, other]) each.set({ clusters: { a: 2, bad: 4, z: 1 } }).run();
    t.equal(picky.has('CDS'), 'a2 bad9 z1', 'the one of before is better than none');
    t.equal(other.has('CDS'), 'a2 bad9 z1');
    for (const each of [picky, other]) each.set({ clusters: { a: 2, bad: 10, z: 1 } }).run();
    t.equal(picky.has('CDS'), 'a2 bad10 z1', 'mended');
    for (const each of [picky, other]) each.set({ clusters: { a: 2, bad: 5, z: 1 } }).run();
    t.equal(picky.has('CDS'), 'a2 bad10 z1', 'a good version goes before substitutes');
    ward.pass(1_000);
    t.match(ward.quarantine.list(), [{ substituted: false }]);
    for (const each of [picky, other]) each.set({ clusters: { a: 2, z: 1 } }).run();
    ward.pass(1_000);
    t.same(ward.quarantine.list(), []);
  });

  t.test(`a substitute that is what it is to have later (${variant})`, async (t) => {
    const ward = new Ward();
    ward.substitutes = [3];
    const picky = new Picky(variant, ward, {
      refuses: (_, name, mark) => name === 'bad' && mark < 8,
    });
    picky.set({ clusters: { a: 1, bad: 1 } }).open();
    t.equal(picky.has('CDS'), 'a1', 'refused as well');
    picky.set({ clusters: { a: 2, bad: 3 } }).run();
    t.equal(picky.has('CDS'), 'a2');
    t.match(
      ward.quarantine.list().map(({ name }) => name),
      ['bad'],
    );
    ward.pass(1_000);
    t.equal(picky.run(), 0, 'nothing more is sent');
    picky.set({ clusters: { a: 2, bad: 8 } }).run();
    t.equal(picky.has('CDS'), 'a2 bad8');
  });

  t.test(`taken back: nothing has to be mended (${variant})`, async (t) => {
    const ward = new Ward();
    const picky = new Picky(variant, ward, {
      refuses: (_, name, mark) => name === 'b' && mark === 2,
    });
    picky.set({ endpoints: { a: 1, b: 1 }, clusters: { a: 1, b: 1 } }).open(['a', 'b']);
    picky.set({ endpoints: { a: 2, b: 2 }, clusters: { a: 1, b: 1 } }).run();
    t.equal(picky.has('EDS'), 'a2 b1');
    picky.set({ endpoints: { a: 2, b: 1 }, clusters: { a: 1, b: 1 } }).run();
    t.equal(picky.has('EDS'), 'a2 b1');
    ward.pass(1_000);
    t.same(ward.quarantine.list(), []);
  });

  t.test(`what proxy 1 refused, proxies 2 to 20 are not sent (${variant})`, async (t) => {
    const ward = new Ward();
    const refuses: Refuses = (_, name, mark) => name === 'c1' && mark === 2;
    const fleet = Array.from({ length: 20 }, (_, i) =>
      new Picky(variant, ward, { refuses, id: `p${i}` }).set({ clusters: many(10, 1) }).open(),
    );
    for (const each of fleet) each.set({ clusters: many(10, 2) }).run();
    for (const each of fleet) t.equal(each.has('CDS'), marksOf(many(10, 2, { c1: 1 })));
    t.same(
      fleet.slice(1).map(({ refusals }) => refusals),
      Array(19).fill(0),
    );
    const newcomer = new Picky(variant, ward, { refuses, id: 'new' });
    newcomer.set(fleetGoal()).open();
    t.equal(newcomer.has('CDS'), marksOf(many(10, 2, { c1: 1 })), 'the last good version is known');
    t.equal(newcomer.refusals, 0);
    // One of them is asked for a second opinion, and shares it: then nobody is any more.
    for (let i = 0; i < 10; i++) {
      ward.pass(60_000);
      for (const each of fleet) each.run();
    }
    t.equal(
      fleet.slice(1).reduce((sum, { refusals }) => sum + refusals, 0),
      1,
    );
    t.match(ward.quarantine.list(), [{ everywhere: true }]);
    function fleetGoal(): World {
      return { clusters: many(10, 2) };
    }
  });

  t.test(`one proxy's own trouble is not everybody's (${variant})`, async (t) => {
    const ward = new Ward();
    let taken = true;
    const first = new Picky(variant, ward, {
      refuses: (type, name, mark) => taken && type === 'LDS' && name === 'x' && mark === 2,
      id: 'first',
    });
    const others = ['second', 'third'].map(
      (id) => new Picky(variant, ward, { refuses: () => false, id }),
    );
    const all = [first, ...others];
    for (const each of all) each.set({ clusters: {}, listeners: { x: 1, y: 1 } }).open();
    for (const each of all) each.set({ clusters: {}, listeners: { x: 2, y: 2 } }).run();
    t.same(
      all.map((each) => each.has('LDS')),
      ['x1 y2', 'x1 y2', 'x1 y2'],
    );
    ward.pass(1_100);
    for (const each of all) each.run();
    for (const each of all) each.run();
    t.same(
      all.map((each) => each.has('LDS')),
      ['x1 y2', 'x2 y2', 'x2 y2'],
      'a second opinion was asked for',
    );
    t.match(ward.quarantine.list(), [{ everywhere: false, refusedBy: ['first'] }]);
    // It is tried again there, with growing pauses.
    const { refusals } = first;
    for (let i = 0; i < 60; i++) {
      ward.pass(60_000);
      first.run();
    }
    const tries = first.refusals - refusals;
    t.ok(tries >= 3 && tries <= 8, `${tries} tries in an hour`);
    taken = false;
    for (let i = 0; i < 31; i++) {
      ward.pass(60_000);
      first.run();
    }
    t.equal(first.has('LDS'), 'x2 y2');
    t.match(ward.released, ['x accepted']);
  });

  t.test(
    `a client that refuses nearly everything is left alone, longer each time (${variant})`,
    async (t) => {
      const ward = new Ward();
      let angry = false;
      const picky = new Picky(variant, ward, {
        refuses: (_, name) => angry && Number(name.slice(1)) % 2 === 1,
      });
      picky.set({ clusters: many(100, 1) }).open();
      angry = true;
      let mark = 1;
      const edit = () => picky.set({ clusters: many(100, ++mark) }).run();
      const first = edit();
      t.ok(first > 50 && first < 200, `${first} responses until the search is given up`);
      t.equal(picky.status('CDS').state, 'REJECTED');
      picky.talk.wait(600);
      t.equal(picky.run(), 0, 'nothing more is sent');
      t.equal(edit(), 1, 'a change is tried once, and not searched');
      picky.talk.wait(500);
      t.ok(edit() > 50, 'after a second it is searched again');
      picky.talk.wait(1_500);
      t.equal(edit(), 1, 'the next rest is longer');
      picky.talk.wait(600);
      t.ok(edit() > 50, 'two seconds');
      angry = false;
      picky.talk.wait(10_000);
      edit();
      t.equal(picky.has('CDS'), marksOf(many(100, mark)), 'and it takes all when it is mended');
      t.equal(picky.status('CDS').state, 'SYNCED');
    },
  );

  t.test(`more bad resources than are kept apart: no loop (${variant})`, async (t) => {
    const ward = new Ward();
    const picky = new Picky(variant, ward, {
      naming: 'list',
      refuses: (_, name, mark) => mark === 2 && name !== 'c0',
    });
    picky.set({ clusters: many(1_500, 1) }).open();
    const count = picky.set({ clusters: many(1_500, 2) }).run();
    t.ok(count <= 3, `${count} responses`);
    t.ok(ward.quarantine.list().length <= 1_000);
    t.equal(picky.has('CDS'), marksOf(many(1_500, 1, { c0: 2 })));
    picky.set({ clusters: many(1_500, 3) }).run();
    t.equal(picky.has('CDS'), marksOf(many(1_500, 3)), 'mended');
  });

  t.test(`another release is tried for itself (${variant})`, async (t) => {
    const ward = new Ward();
    const refuses: Refuses = (_, name, mark) => name === 'c1' && mark === 2;
    const old = new Picky(variant, ward, { refuses, id: 'old', release: '1.36.4' });
    const young = new Picky(variant, ward, { refuses: () => false, id: 'young' });
    for (const each of [old, young]) each.set({ clusters: many(3, 1) }).open();
    for (const each of [old, young]) each.set({ clusters: many(3, 2) }).run();
    t.equal(old.has('CDS'), marksOf(many(3, 2, { c1: 1 })));
    t.equal(young.has('CDS'), marksOf(many(3, 2)), 'held back from its own release only');
    t.match(ward.quarantine.list(), [{ client: 'envoy 1.36.4', everywhere: true }]);
    const upgraded = new Picky(variant, ward, { refuses: () => false, id: 'old' });
    upgraded.set({ clusters: many(3, 2) }).open();
    t.equal(upgraded.has('CDS'), marksOf(many(3, 2)), 'an upgrade gets it');
  });

  t.test(`random contents refused (${variant})`, async () => {
    const size = fc.integer({ min: 1, max: 40 });
    const steps = fc.array(fc.record({ bad: fc.array(fc.nat(60), { maxLength: 4 }), size }), {
      minLength: 1,
      maxLength: 6,
    });
    const naming = fc.constantFrom<Naming>('list', 'one', 'quote', 'none');
    const type = fc.constantFrom<Type>('CDS', 'EDS', 'RDS');
    fc.assert(
      fc.property(steps, naming, type, fc.boolean(), (worlds, naming, type, partial) => {
        random({ variant, worlds, naming, type, partial });
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 60) },
    );
  });
}

interface Case {
  variant: Variant;
  worlds: { bad: number[]; size: number }[];
  naming: Naming;
  type: Type;
  partial: boolean;
}

function random({ variant, worlds, naming, type, partial }: Case): void {
  const ward = new Ward();
  const isBad = (name: string, mark: number) => {
    const step = worlds[mark - 1];
    return step?.bad.some((bad) => `c${bad % step.size}` === name) ?? false;
  };
  const picky = new Picky(variant, ward, {
    naming,
    partial,
    refuses: (of, name, mark) => of === type && isBad(name, mark),
  });
  const names = Array.from({ length: 40 }, (_, i) => `c${i}`);
  const expected = new Map<string, number>();
  worlds.forEach(({ size, bad }, i) => {
    const mark = i + 1;
    const marks = many(size, mark);
    const clusters = type === 'CDS' ? marks : {};
    picky.set({ clusters, [keys[type]]: marks });
    const before = picky.responses;
    if (i === 0) picky.open(names);
    else picky.run();
    const culprits = new Set(bad.map((each) => each % size)).size;
    const bound = (2 * culprits + 1) * (Math.ceil(Math.log2(size)) + 4) + 10;
    const count = picky.responses - before;
    if (count > bound) throw new Error(`${count} responses for ${culprits} of ${size}`);
    for (const name of expected.keys()) if (!(name in marks)) expected.delete(name);
    for (const name of Object.keys(marks)) if (!isBad(name, mark)) expected.set(name, mark);
    const has = new Map([...picky.talk.side(type).held].map(([name, { mark }]) => [name, mark]));
    for (const [name, want] of expected) {
      if (has.get(name) !== want) throw new Error(`${name} is ${has.get(name)}, not ${want}`);
    }
    for (const name of has.keys()) {
      const kept = variant === 'sotw' && type !== 'CDS';
      if (!expected.has(name) && !kept) throw new Error(`${name} is there`);
    }
    picky.talk.wait(30_000);
    if (picky.run() > 0) throw new Error('something is sent without a reason');
  });
}
