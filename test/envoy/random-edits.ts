// Edits of all kinds to an edited world, chosen by a seeded generator, so that a run can be had again by its seed.
import type { Edited, World } from './edited-world.js';

/** Numbers from a seed (mulberry32). */
export class Dice {
  constructor(private state: number) {}

  /** 0 <= n < bound. */
  below(bound: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * bound);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  shuffle<T>(from: readonly T[]): T[] {
    const all = [...from];
    for (let i = all.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [all[i], all[j]] = [all[j]!, all[i]!];
    }
    return all;
  }
}

/** What edits may use. */
export interface Choices {
  dice: Dice;
  members: readonly string[];
  /** The ports that a service may have: the one of all, and another one. */
  ports: readonly [number, number];
}

type Change = (world: World, choices: Choices) => void;

const core = (world: World) =>
  Object.values(world.services).filter(({ name }) => name !== 'mover' && !name.startsWith('extra'));

const routed = (world: World) => core(world).filter(({ kind }) => kind !== 'tcp');

function routeOf(service: Edited): NonNullable<Edited['route']> {
  service.route ??= { v1: 50 };
  return service.route;
}

/** Two members for each version; at least one of them may be another one than before. */
function move(service: Edited, { dice, members }: Choices): void {
  const [a, b, c, d] = dice.shuffle(members);
  service.v1 = [a!, b!];
  service.v2 = dice.below(2) ? [c!, d!] : [c!];
}

const policies: readonly (object | undefined)[] = [
  undefined,
  { loadBalancer: { simple: 'ROUND_ROBIN' } },
  { loadBalancer: { simple: 'RANDOM' } },
  { loadBalancer: { consistentHash: { httpHeaderName: 'x-user' } } },
  { connectionPool: { tcp: { maxConnections: 500, connectTimeout: '3s' } } },
  { connectionPool: { http: { maxRequestsPerConnection: 20, http1MaxPendingRequests: 900 } } },
  { outlierDetection: { consecutive5xxErrors: 7, interval: '5s', baseEjectionTime: '10s' } },
  { connectionPool: { http: { maxRetries: 30 } }, loadBalancer: { simple: 'LEAST_REQUEST' } },
];

let generation = 0;

/** Each leaves a valid world. */
export const changes: Readonly<Record<string, Change>> = {
  weight(world, { dice }) {
    const service = dice.pick(core(world));
    service.subsets ??= ['v1', 'v2'];
    routeOf(service).v1 = dice.pick([0, 1, 10, 50, 90, 100]);
  },
  'header match added'(world, { dice }) {
    const service = dice.pick(routed(world));
    service.subsets ??= ['v1', 'v2'];
    routeOf(service).alice = dice.pick(['v1', 'v2'] as const);
  },
  'header match removed'(world, { dice }) {
    delete routeOf(dice.pick(routed(world))).alice;
  },
  'subsets renamed in both rules'(world, { dice }) {
    const service = dice.pick(core(world));
    generation++;
    service.subsets = [`one-${generation}`, `two-${generation}`];
    routeOf(service);
  },
  'subsets and their split removed'(world, { dice }) {
    delete dice.pick(core(world)).subsets;
  },
  'endpoints moved'(world, choices) {
    move(choices.dice.pick(core(world)), choices);
  },
  'endpoints of all moved'(world, choices) {
    for (const service of core(world)) move(service, choices);
  },
  'traffic policy'(world, { dice }) {
    const service = dice.pick(routed(world));
    const policy = dice.pick(policies);
    if (policy === undefined) delete service.policy;
    else service.policy = policy;
  },
  'traffic policies of all'(world, { dice }) {
    for (const service of routed(world)) {
      service.policy = { connectionPool: { tcp: { maxConnections: 300 + dice.below(500) } } };
    }
  },
  'VirtualService created or deleted'(world, { dice }) {
    const service = dice.pick(core(world));
    if (service.route) delete service.route;
    else service.route = { v1: 30 };
  },
  'timeout and retries'(world, { dice }) {
    const route = routeOf(dice.pick(routed(world)));
    const timeout = dice.pick([undefined, '8s', '9s']);
    const retries = dice.pick([undefined, { attempts: 0 }, { attempts: 3, perTryTimeout: '4s' }]);
    Object.assign(route, { timeout, retries });
  },
  'host switched to another service'(world, { dice }) {
    const service = dice.pick(routed(world));
    const others = routed(world).filter((other) => other !== service);
    const route = routeOf(service);
    if (route.other === undefined) route.other = dice.pick(others).name;
    else delete route.other;
  },
  'subsets, route and endpoints together'(world, choices) {
    const service = choices.dice.pick(routed(world));
    move(service, choices);
    generation++;
    service.subsets = [`a-${generation}`, `b-${generation}`];
    service.policy = { connectionPool: { tcp: { maxConnections: 400 + generation } } };
    service.route = { v1: choices.dice.pick([0, 40, 100]), alice: 'v2' };
  },
  'access log: all listeners'(world, { dice }) {
    const accessLogEncoding = dice.pick(['TEXT', 'JSON']);
    // Empty now and then: the filter goes altogether.
    const accessLogFile = dice.below(4) === 0 ? '' : '/dev/stdout';
    world.meshConfig = { ...world.meshConfig, accessLogEncoding, accessLogFile };
  },
};

/** Changes after which a client has to know better: what it called is not there any more, or there is more to call. */
export const moves: Readonly<Record<string, Change>> = {
  'service moved to another port'(world, { ports }) {
    const mover = world.services['mover']!;
    mover.port = mover.port === ports[0] ? ports[1] : ports[0];
  },
  'service added'(world, choices) {
    const name = `extra-${++generation}`;
    const extra: Edited = {
      name,
      kind: 'http',
      port: choices.dice.pick(choices.ports),
      v1: [],
      v2: [],
    };
    move(extra, choices);
    if (choices.dice.below(2)) extra.subsets = ['v1', 'v2'];
    if (choices.dice.below(2)) extra.route = { v1: 20 };
    world.services[name] = extra;
  },
  'service removed'(world, { dice }) {
    const extras = Object.keys(world.services).filter((name) => name.startsWith('extra'));
    if (extras.length > 0) delete world.services[dice.pick(extras)];
  },
};

/** Changes of files that change nothing else. */
export const rearrangements: Readonly<Record<string, Change>> = {
  'file split or merged'(world, { dice }) {
    const service = dice.pick(core(world));
    service.apart = !service.apart;
  },
};
