// The scenarios of the public xDS conformance harness (ii/xds-test-harness), in our words and without its pauses: a
// client over gRPC against a server whose state is set from outside with versions of the caller's, in four variants.
// Also its oddities: everything unsubscribed by one empty name with an empty version. Every scenario ends with fewer
// responses than requests, and none has a response too many.
import t, { type Test } from 'tap';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  ROUTE,
  type TypeUrl,
  type Version,
} from '../../src/envoy/resource.js';
import { snapshotOf, typeSnapshot } from '../../src/snapshot/build-snapshot.js';
import { encodedResource, encodeResource } from '../../src/snapshot/encode.js';
import type { EncodedResource, TypeSnapshot } from '../../src/snapshot/snapshot.js';
import {
  createXdsServer,
  SnapshotCache,
  type Variant,
  type XdsServer,
} from '../../src/xds/server.js';
import { type Response, TestClient } from './client.js';

const types = {
  CDS: { typeUrl: CLUSTER, service: 'cluster.v3.ClusterDiscoveryService', word: 'Clusters' },
  EDS: { typeUrl: ENDPOINT, service: 'endpoint.v3.EndpointDiscoveryService', word: 'Endpoints' },
  LDS: { typeUrl: LISTENER, service: 'listener.v3.ListenerDiscoveryService', word: 'Listeners' },
  RDS: { typeUrl: ROUTE, service: 'route.v3.RouteDiscoveryService', word: 'Routes' },
} as const;
type Type = keyof typeof types;
const wholeSets: readonly Type[] = ['CDS', 'LDS'];
const partials: readonly Type[] = ['RDS', 'EDS'];
const all: readonly Type[] = [...wholeSets, ...partials];

interface Form {
  variant: Variant;
  aggregated: boolean;
}

/** The adapter of the harness and a client of it. */
class Bench {
  private readonly state = new Map<Type, { version: string; names: Map<string, string> }>();
  private requests = 0;
  private readonly names = new Map<Type, string[]>();
  private readonly last = new Map<Type, Response>();
  private readonly clients = new Map<Type, TestClient>();

  private constructor(
    private readonly t: Test,
    private readonly form: Form,
    private readonly cache: SnapshotCache,
    private readonly server: XdsServer,
    private readonly address: string,
  ) {}

  static async open(t: Test, form: Form): Promise<Bench> {
    const cache = new SnapshotCache();
    const server = createXdsServer({ cache });
    const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
    t.teardown(() => server.close());
    return new Bench(t, form, cache, server, `127.0.0.1:${port}`);
  }

  /** SetState: these resources of the type, with that version of the type. */
  set(type: Type, version: string, names: readonly string[]): void {
    this.state.set(type, { version, names: new Map(names.map((name) => [name, version])) });
    this.publish();
  }

  /** AddResource and UpdateResource. */
  put(type: Type, name: string, version: string): void {
    const known = this.state.get(type) ?? { version, names: new Map() };
    this.state.set(type, { version, names: new Map([...known.names, [name, version]]) });
    this.publish();
  }

  /** RemoveResource. */
  remove(type: Type, name: string, version: string): void {
    const names = new Map(this.state.get(type)!.names);
    names.delete(name);
    this.state.set(type, { version, names });
    this.publish();
  }

  private publish(): void {
    const made = new Map<TypeUrl, TypeSnapshot>();
    for (const [type, { version, names }] of this.state) {
      const resources = new Map<string, EncodedResource>();
      for (const [name, own] of names) resources.set(name, resourceOf(type, name, own));
      made.set(types[type].typeUrl, typeSnapshot(resources, undefined, version as Version));
    }
    this.cache.set('test', snapshotOf(made));
  }

  private client(type: Type): TestClient {
    const { variant, aggregated } = this.form;
    const key = aggregated ? 'CDS' : type;
    let client = this.clients.get(key);
    if (client === undefined) {
      const { service, word } = types[type];
      const method = `${variant === 'sotw' ? 'Stream' : 'Delta'}${word}`;
      const path = aggregated ? {} : { path: `/envoy.service.${service}/${method}` };
      const made = new TestClient({ address: this.address, variant, ...path });
      this.t.teardown(() => made.close());
      client = made;
      this.clients.set(key, made);
    }
    return client;
  }

  private send(type: Type, request: object): void {
    this.requests++;
    this.client(type).send({ type_url: types[type].typeUrl, ...request });
  }

  /** Asks for these names; none: for everything. */
  subscribe(type: Type, names: string[] = []): void {
    const { variant } = this.form;
    const before = this.names.get(type) ?? [];
    const last = this.last.get(type);
    this.names.set(type, variant === 'sotw' ? names : [...before, ...names]);
    if (variant === 'delta') this.send(type, { resource_names_subscribe: names });
    else {
      this.send(type, {
        resource_names: names,
        ...(last && { response_nonce: last.nonce, version_info: last.version }),
      });
    }
  }

  unsubscribe(type: Type, names: string[]): void {
    if (this.form.variant === 'delta') {
      this.send(type, { resource_names_unsubscribe: names });
      return;
    }
    const rest = this.names.get(type)!.filter((name) => !names.includes(name));
    this.names.set(type, rest);
    const last = this.last.get(type)!;
    // The harness drops everything by one empty name, with an empty version and the last nonce.
    if (rest.length === 0) this.send(type, { resource_names: [''], response_nonce: last.nonce });
    else this.subscribe(type, rest);
  }

  /** The server has read that only these are asked for: what the harness pauses for. */
  async heard(type: Type, names: string[]): Promise<void> {
    const { typeUrl } = types[type];
    const subscribed = () => {
      const streams = [...this.server.streams()].flatMap((stream) => stream.status().types);
      return streams.find((each) => each.typeUrl === typeUrl)?.subscribed;
    };
    for (const end = Date.now() + 2000; Date.now() < end; ) {
      if (JSON.stringify(subscribed()) === JSON.stringify(names)) return;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    this.t.same(subscribed(), names);
  }

  /** The next response is of that type and version, with exactly these; it is acknowledged. */
  async expect(type: Type, version: string, names: string[], removed: string[] = []) {
    const response = await this.client(type).next();
    this.t.equal(response.typeUrl, types[type].typeUrl);
    this.t.same([...response.names].sort(), [...names].sort(), `${type} ${version}`);
    this.t.same([...response.removed].sort(), [...removed].sort(), `${type} ${version} removed`);
    this.t.equal(response.version, version);
    this.last.set(type, response);
    this.requests++;
    this.client(type).ack(response, this.names.get(type));
  }

  /** Nothing more comes, and there were fewer responses than requests. */
  async finish(): Promise<void> {
    let responses = 0;
    for (const client of this.clients.values()) {
      this.t.equal(await client.maybeNext(30), undefined, 'nothing more');
      responses += client.responses.length;
      this.t.equal(client.status, undefined, 'the stream is open');
    }
    this.t.ok(responses < this.requests, `${responses} responses, ${this.requests} requests`);
  }
}

function resourceOf(type: Type, name: string, version: string): EncodedResource {
  const { typeUrl } = types[type];
  const message = type === 'EDS' ? { cluster_name: name } : { name };
  const { bytes } = encodeResource(typeUrl, name, message);
  return encodedResource(typeUrl, name, bytes, version as Version);
}

interface Scenario {
  what: string;
  types: readonly Type[];
  only?: Variant;
  aggregated?: boolean;
  run(bench: Bench, type: Type, variant: Variant): Promise<void>;
}

const scenarios: Scenario[] = [
  {
    what: '1 wildcard: everything in one response',
    types: wholeSets,
    run: async (bench, type) => {
      bench.set(type, '1', ['A', 'B', 'C']);
      bench.subscribe(type);
      await bench.expect(type, '1', ['A', 'B', 'C']);
    },
  },
  {
    what: '2 wildcard: a resource changes',
    types: wholeSets,
    run: async (bench, type, variant) => {
      bench.set(type, '1', ['A', 'B', 'C']);
      bench.subscribe(type);
      await bench.expect(type, '1', ['A', 'B', 'C']);
      bench.put(type, 'B', '2');
      await bench.expect(type, '2', variant === 'sotw' ? ['A', 'B', 'C'] : ['B']);
    },
  },
  {
    what: '3 wildcard: a resource is added',
    types: wholeSets,
    run: async (bench, type, variant) => {
      bench.set(type, '1', ['A', 'B']);
      bench.subscribe(type);
      await bench.expect(type, '1', ['A', 'B']);
      bench.put(type, 'D', '2');
      await bench.expect(type, '2', variant === 'sotw' ? ['A', 'B', 'D'] : ['D']);
    },
  },
  {
    what: '4 named: only those',
    types: all,
    run: async (bench, type) => {
      bench.set(type, '1', ['A', 'B', 'C', 'D']);
      bench.subscribe(type, ['B', 'D']);
      await bench.expect(type, '1', ['B', 'D']);
    },
  },
  {
    what: '5, 6, 14 named, one changes: the set of clusters or listeners, else it alone',
    types: all,
    run: async (bench, type, variant) => {
      bench.set(type, '1', ['A', 'B', 'C']);
      bench.subscribe(type, ['A', 'B']);
      await bench.expect(type, '1', ['A', 'B']);
      bench.put(type, 'A', '2');
      const whole = variant === 'sotw' && wholeSets.includes(type);
      await bench.expect(type, '2', whole ? ['A', 'B'] : ['A']);
    },
  },
  {
    what: '7, 8, 15 a name that is missing, then created',
    types: all,
    run: async (bench, type, variant) => {
      bench.set(type, '1', ['A', 'B']);
      bench.subscribe(type, ['A', 'B', 'C']);
      await bench.expect(type, '1', ['A', 'B'], variant === 'delta' ? ['C'] : []);
      bench.put(type, 'C', '2');
      const whole = variant === 'sotw' && wholeSets.includes(type);
      await bench.expect(type, '2', whole ? ['A', 'B', 'C'] : ['C']);
    },
  },
  {
    what: '10, 11 some are unsubscribed: only the rest comes',
    types: all,
    run: async (bench, type) => {
      bench.set(type, '1', ['A', 'B', 'C']);
      bench.subscribe(type, ['A', 'B', 'C']);
      await bench.expect(type, '1', ['A', 'B', 'C']);
      bench.unsubscribe(type, ['B', 'C']);
      await bench.heard(type, ['A']);
      bench.put(type, 'A', '2');
      bench.put(type, 'B', '3');
      await bench.expect(type, '3', ['A']);
    },
  },
  {
    what: '12 all are unsubscribed: nothing comes',
    types: all,
    run: async (bench, type) => {
      bench.set(type, '1', ['A', 'B']);
      bench.subscribe(type, ['A', 'B']);
      await bench.expect(type, '1', ['A', 'B']);
      bench.unsubscribe(type, ['A', 'B']);
      await bench.heard(type, []);
      bench.put(type, 'A', '2');
    },
  },
  {
    what: '13 one name after the other',
    types: all,
    only: 'delta',
    run: async (bench, type) => {
      bench.set(type, '1', ['A', 'B', 'C']);
      for (const name of ['A', 'B', 'C']) {
        bench.subscribe(type, [name]);
        await bench.expect(type, '1', [name]);
      }
    },
  },
  {
    what: '16 removed, then back',
    types: all,
    only: 'delta',
    run: async (bench, type) => {
      bench.set(type, '1', ['A', 'B']);
      bench.subscribe(type, ['A', 'B']);
      await bench.expect(type, '1', ['A', 'B']);
      bench.remove(type, 'A', '2');
      await bench.expect(type, '2', [], ['A']);
      bench.put(type, 'A', '3');
      await bench.expect(type, '3', ['A']);
    },
  },
  {
    what: '17 unsubscribed one after the other',
    types: all,
    only: 'delta',
    run: async (bench, type) => {
      bench.set(type, '1', ['A', 'B', 'C']);
      bench.subscribe(type, ['A', 'B', 'C']);
      await bench.expect(type, '1', ['A', 'B', 'C']);
      bench.unsubscribe(type, ['A']);
      bench.unsubscribe(type, ['B']);
      await bench.heard(type, ['C']);
      for (const name of ['A', 'B']) bench.put(type, name, '2');
      bench.put(type, 'C', '3');
      await bench.expect(type, '3', ['C']);
    },
  },
];

const pairs: readonly (readonly [Type, Type])[] = [
  ['CDS', 'LDS'],
  ['RDS', 'EDS'],
  ['CDS', 'EDS'],
  ['LDS', 'RDS'],
];
for (const [a, b] of pairs) {
  scenarios.push({
    what: `9, 18 two types on one stream: ${a} and ${b}`,
    types: [a],
    aggregated: true,
    run: async (bench) => {
      bench.set(a, '1', ['A', 'B']);
      bench.set(b, '7', ['A', 'B']);
      bench.subscribe(a, ['A', 'B']);
      await bench.expect(a, '1', ['A', 'B']);
      bench.subscribe(b, ['A', 'B']);
      await bench.expect(b, '7', ['A', 'B']);
    },
  });
}

for (const variant of ['sotw', 'delta'] as const) {
  for (const aggregated of [true, false]) {
    t.test(`${variant}, ${aggregated ? 'aggregated' : 'separate'}`, async (t) => {
      for (const scenario of scenarios) {
        if (scenario.only !== undefined && scenario.only !== variant) continue;
        if (scenario.aggregated && !aggregated) continue;
        for (const type of scenario.types) {
          await t.test(`${scenario.what} (${type})`, async (t) => {
            const bench = await Bench.open(t, { variant, aggregated });
            await scenario.run(bench, type, variant);
            await bench.finish();
          });
        }
      }
    });
  }
}
