// Resources with a TTL: what is on the wire, when heartbeats go, when they end; and a real Envoy, whose listener
// stays while it hears of it and goes when it does not (xds-protocol 41).
import t from 'tap';
import { decode, encode } from '../../src/envoy/codec.js';
import { CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER } from '../../src/envoy/resource.js';
import { snapshotOf, typeSnapshot } from '../../src/snapshot/build-snapshot.js';
import type { Snapshot } from '../../src/snapshot/snapshot.js';
import { withTtl } from '../../src/snapshot/ttl.js';
import { defaultLimits, defaultTimes } from '../../src/xds/options.js';
import {
  createXdsServer,
  SnapshotCache,
  type Variant,
  type XdsStream,
} from '../../src/xds/server.js';
import { ProtocolStream } from '../../src/xds/stream.js';
import { defaultTypeRules } from '../../src/xds/type-rules.js';
import { VersionAliases } from '../../src/xds/version-aliases.js';
import { startEnvoy } from '../envoy/envoy-process.js';
import { snapshot, type World } from './resources.js';

const typeUrls: Record<string, string> = {
  CDS: CLUSTER,
  EDS: ENDPOINT,
  LDS: LISTENER,
  ECDS: EXTENSION_CONFIG,
};

/** Every resource of the snapshot whose name is in `ttls` gets that TTL. */
function withTtls(base: Snapshot, ttls: Record<string, number>): Snapshot {
  const types = [...base.types].map(([typeUrl, type]) => {
    const resources = [...type.resources].map(([name, resource]) => {
      const ttlMs = ttls[name];
      return [name, ttlMs === undefined ? resource : withTtl(resource, ttlMs)] as const;
    });
    return [typeUrl, typeSnapshot(new Map(resources))] as const;
  });
  return snapshotOf(new Map(types));
}

/** One stream with a clock of its own; `log` has what was sent, with the time in ms. */
class Session {
  readonly log: string[] = [];
  now = 0;
  private wakeAt: number | undefined;
  private readonly nonces = new Map<string, string>();
  private readonly stream: ProtocolStream;

  constructor(
    readonly variant: Variant,
    ttl: 'delta' | 'all' | undefined = 'delta',
  ) {
    const settings = {
      variant,
      onlyType: undefined,
      limits: defaultLimits,
      times: defaultTimes,
      identifier: '',
      rules: defaultTypeRules,
      ttl,
      respond: { unknownNamed: () => undefined, aliases: new VersionAliases() },
      quarantine: undefined,
      callbacks: {},
      now: () => this.now,
    };
    const write = (pieces: readonly Buffer[]) => this.read(Buffer.concat(pieces));
    this.stream = new ProtocolStream(
      settings,
      { write, writable: () => true },
      {} as unknown as XdsStream,
    );
  }

  set(world: World, ttls: Record<string, number> = {}): void {
    this.wakeAt = this.stream.setGoal(withTtls(snapshot(world), ttls));
  }

  request(type: string, names: string[] = [], unsubscribe: string[] = []): void {
    this.send(type, { names, unsubscribe });
  }

  ack(type: string, names: string[] = []): void {
    this.send(type, { nonce: this.nonces.get(type)!, names });
  }

  private send(type: string, more: { names: string[]; nonce?: string; unsubscribe?: string[] }) {
    this.wakeAt = this.stream.receive({
      typeUrl: typeUrls[type]!,
      nonce: '',
      node: undefined,
      error: undefined,
      version: '',
      unsubscribe: [],
      held: new Map(),
      ...more,
    });
  }

  /** Lets time pass; the stream is woken when it asked for it. Gives how often. */
  wait(ms: number): number {
    const end = this.now + ms;
    let wakes = 0;
    while (this.wakeAt !== undefined && this.wakeAt <= end) {
      this.now = Math.max(this.wakeAt, this.now);
      this.wakeAt = this.stream.onTime();
      if (++wakes > 100) throw new Error('woken without end');
    }
    this.now = end;
    return wakes;
  }

  private read(bytes: Buffer): void {
    type Resource = { name: string; version: string; ttl: Ttl | null; resource: object | null };
    type Ttl = { seconds: unknown; nanos: number };
    const sotw = this.variant === 'sotw';
    const message = sotw ? 'DiscoveryResponse' : 'DeltaDiscoveryResponse';
    const response = decode<{
      type_url: string;
      nonce: string;
      resources: (Resource & { type_url: string; value: Buffer })[];
    }>(`envoy.service.discovery.v3.${message}`, bytes);
    const type = Object.keys(typeUrls).find((key) => typeUrls[key] === response.type_url)!;
    if (!response.nonce.startsWith('alive')) this.nonces.set(type, response.nonce);
    const describe = ({ name, ttl, resource }: Resource) =>
      `${name}${resource ? '' : '(alive)'}${ttl ? ` ${Number(ttl.seconds) * 1000 + ttl.nanos / 1e6}` : ''}`;
    const resources = response.resources.map((each) => {
      if (!sotw) return describe(each);
      const wrapped = each.type_url.endsWith('discovery.v3.Resource');
      if (wrapped) return `[${describe(decode<Resource>(each.type_url, each.value))}]`;
      const plain = decode<{ name?: string; cluster_name?: string }>(each.type_url, each.value);
      return plain.name || plain.cluster_name || '';
    });
    this.log.push(`${this.now} ${type} ${resources.join(', ')}`.trim());
  }
}

const ecds = (marks: Record<string, number>): World => ({ others: { [EXTENSION_CONFIG]: marks } });

t.test(
  'GCP#579: delta: TTL with the resource, then heartbeats at half of it, merged',
  async (t) => {
    const session = new Session('delta');
    session.set(ecds({ a: 1, b: 1, c: 1, d: 1 }), { a: 3000, b: 3000, c: 60_000 });
    session.request('ECDS', ['a', 'b', 'c', 'd']);
    t.same(session.log.splice(0), ['0 ECDS a 3000, b 3000, c 60000, d']);
    session.ack('ECDS');
    const wakes = session.wait(4600);
    t.same(session.log.splice(0), [
      '1500 ECDS a(alive) 3000, b(alive) 3000',
      '3000 ECDS a(alive) 3000, b(alive) 3000',
      '4500 ECDS a(alive) 3000, b(alive) 3000',
    ]);
    t.equal(wakes, 3, 'one clock for all of one TTL');
    session.set(ecds({ a: 1, b: 1, c: 1, d: 1 }), { a: 3000, c: 60_000 });
    t.same(session.log.splice(0), ['4600 ECDS b'], 'another TTL is another version: sent');
    session.ack('ECDS');
    session.wait(1500);
    t.same(session.log.splice(0), ['6000 ECDS a(alive) 3000']);
    session.request('ECDS', [], ['a']);
    session.wait(10_000);
    t.same(session.log.splice(0), [], 'no longer asked for');
  },
);

t.test(
  'delta: heartbeats do not disturb an answer that is awaited; nothing for what was not accepted',
  async (t) => {
    const session = new Session('delta');
    session.set(ecds({ a: 1 }), { a: 1000 });
    session.request('ECDS', ['a']);
    session.wait(1200);
    t.same(session.log.splice(0), ['0 ECDS a 1000'], 'not accepted yet');
    session.ack('ECDS');
    session.wait(1000);
    t.match(session.log.splice(0).join('; '), /a\(alive\) 1000/);
    session.set(ecds({ a: 1, b: 1 }), { a: 1000 });
    session.request('ECDS', ['b']);
    const before = session.log.splice(0);
    t.match(before, [/ECDS b$/]);
    session.wait(500);
    t.match(session.log.splice(0), [/a\(alive\)/], 'a is alive while b is unanswered');
    session.ack('ECDS');
    session.set(ecds({ a: 2, b: 2 }), { a: 1000 });
    t.match(session.log.splice(0), [/ECDS a 1000, b$/], 'the ACK of b was understood');
  },
);

t.test('envoy#24271: SotW: no TTL by default; wrapped if wanted, never endpoints', async (t) => {
  const plain = new Session('sotw');
  plain.set({ listeners: { l: 1 }, endpoints: { e: 1 } }, { l: 1000, e: 1000 });
  plain.request('LDS');
  plain.ack('LDS');
  plain.wait(5000);
  t.same(plain.log, ['0 LDS l']);
  const session = new Session('sotw', 'all');
  session.set({ listeners: { l: 1, m: 1 }, endpoints: { e: 1 } }, { l: 1000, e: 1000 });
  session.request('LDS');
  session.ack('LDS');
  session.request('EDS', ['e']);
  session.ack('EDS', ['e']);
  t.same(session.log.splice(0), ['0 LDS [l 1000], m', '0 EDS e']);
  session.wait(600);
  t.same(session.log.splice(0), ['500 LDS [l 1000], m'], 'sent again, as Envoy knows no other way');
});

t.test('Envoy over delta: a listener with a TTL lives by its heartbeats', async (t) => {
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  const listener = { name: 'brief', address, filter_chains: [{ filters: [tcpProxy()] }] };
  const bytes = encode(LISTENER, listener);
  const cache = new SnapshotCache();
  const { encodedResource } = await import('../../src/snapshot/encode.js');
  const resource = withTtl(encodedResource(LISTENER, 'brief', bytes), 1000);
  const type = typeSnapshot(new Map([['brief', resource]]));
  cache.set('test', snapshotOf(new Map([[LISTENER, type]])));
  const server = createXdsServer({ cache });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  t.teardown(() => server.close());
  const envoy = await startEnvoy({ bootstrap: bootstrap(port) });
  t.teardown(() => envoy.stop());
  const there = async () => /brief/.test(await envoy.admin('/listeners'));
  const until = async (state: boolean, ms: number) => {
    for (const end = Date.now() + ms; Date.now() < end; ) {
      if ((await there()) === state) return true;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
  };
  t.ok(await until(true, 5000), 'it comes');
  t.notOk(await until(false, 3000), 'it stays for three times its TTL');
  cache.clear('test');
  t.ok(await until(false, 4000), 'it goes when nobody speaks of it any more');
});

function tcpProxy() {
  const name = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
  const typed_config = { '@type': name, stat_prefix: 'x', cluster: 'xds' };
  return { name: 'envoy.filters.network.tcp_proxy', typed_config };
}

function bootstrap(port_value: number) {
  const http2 = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value } } };
  return {
    node: { id: 'test', cluster: 'test' },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': http2,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
        },
      ],
    },
  };
}
