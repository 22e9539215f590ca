// What reports of Envoys come to, without sockets: a clock of the test's own, and what the control plane is told.
import fc from 'fast-check';
import t from 'tap';
import { toJson } from '../src/envoy/codec.js';
import { parseProxy } from '../src/mesh/parse-proxy.js';
import type { Probe } from '../src/mesh/probe.js';
import type { Proxy } from '../src/mesh/proxy.js';
import { PROBE_CLUSTER } from '../src/translate/names.js';
import { type Checker, type KnownWorkload, WorkloadHealth } from '../src/workload-health.js';
import type { HealthStatus } from '../src/xds/server.js';

const probe: Probe = {
  method: { kind: 'tcp' },
  address: '10.0.1.1',
  port: 8080,
  initialDelayS: 0,
  timeoutS: 1,
  periodS: 5,
  successThreshold: 1,
  failureThreshold: 1,
};

const proxyAt = (name: string): Proxy =>
  parseProxy({
    id: `sidecar~10.0.1.1~${name}.default~default.svc.cluster.local`,
    cluster: '',
    metadata: { AUTO_REGISTER_GROUP: 'backends', HEALTH_DISCOVERY: 'true' },
  });
const one = proxyAt('one');

/** A control plane of one workload. */
class Plane {
  probe: Probe | undefined = probe;
  known: KnownWorkload | undefined = { joinedMs: 0 };
  served = false;
  nowMs = 1_000_000;
  readonly told: string[] = [];
  private jobs: { atMs: number; job: () => void }[] = [];
  readonly health: WorkloadHealth;

  constructor(newcomersFromMs = 0) {
    this.known = { joinedMs: this.nowMs };
    this.health = new WorkloadHealth({
      probeOf: () => this.probe,
      known: () => this.known,
      isServed: () => this.served,
      tell: ({ name }, healthy, message) => {
        this.told.push(`${name} ${healthy}${message && `: ${message}`}`);
      },
      now: () => this.nowMs,
      later: (ms, job) => {
        const entry = { atMs: this.nowMs + ms, job };
        this.jobs.push(entry);
        return () => {
          this.jobs = this.jobs.filter((other) => other !== entry);
        };
      },
      newcomersFromMs,
    });
  }

  get waiting(): number {
    return this.jobs.length;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    const due = this.jobs.filter(({ atMs }) => atMs <= this.nowMs);
    this.jobs = this.jobs.filter((job) => !due.includes(job));
    for (const { job } of due) job();
  }

  envoy(proxy = one): Envoy {
    return new Envoy(this, proxy);
  }

  /** What was told since the last question. */
  news(): string[] {
    return this.told.splice(0);
  }
}

class Envoy implements Checker {
  readonly asked: string[] = [];
  private readonly plane: Plane;
  readonly proxy: Proxy;

  constructor(plane: Plane, proxy: Proxy) {
    this.plane = plane;
    this.proxy = proxy;
    plane.health.open(this, proxy);
  }

  send(bytes: Buffer): void {
    const specifier = toJson('envoy.service.health.v3.HealthCheckSpecifier', bytes) as {
      clusterHealthChecks?: { localityEndpoints: { endpoints: { address: Address }[] }[] }[];
    };
    const [check] = specifier.clusterHealthChecks ?? [];
    const socket = check?.localityEndpoints[0]?.endpoints[0]?.address.socketAddress;
    this.asked.push(socket ? `${socket.address}:${socket.portValue}` : 'nothing');
  }

  says(status: HealthStatus, { cluster = PROBE_CLUSTER, port = 8080, address = '10.0.1.1' } = {}) {
    this.plane.health.report(this, this.proxy, [{ cluster, address, port, status }]);
  }

  close(): void {
    this.plane.health.close(this, this.proxy);
  }
}

interface Address {
  socketAddress: { address: string; portValue: number };
}

t.test('a success counts at once, a failure when there must have been one', async (t) => {
  const plane = new Plane();
  const envoy = plane.envoy();
  t.same(envoy.asked, ['10.0.1.1:8080']);
  plane.pass(1000);
  envoy.says('UNHEALTHY');
  t.same(plane.news(), [], 'Envoy may not have asked yet');
  envoy.says('HEALTHY');
  t.same(plane.news(), ['one true']);
  plane.pass(1000);
  envoy.says('UNHEALTHY');
  envoy.says('TIMEOUT');
  t.same(plane.news(), [
    'one false: tcpSocket 10.0.1.1:8080: no connection',
    'one false: tcpSocket 10.0.1.1:8080: no answer within 1 s',
  ]);
  envoy.says('HEALTHY');
  t.same(plane.news(), ['one true']);
});

t.test('the first failure waits for as many as the threshold asks for', async (t) => {
  const plane = new Plane();
  plane.probe = {
    ...probe,
    failureThreshold: 3,
    method: { kind: 'grpc', authority: '', service: '' },
  };
  const envoy = plane.envoy();
  plane.pass(11_999);
  envoy.says('UNHEALTHY');
  t.same(plane.news(), []);
  plane.pass(1);
  envoy.says('UNHEALTHY');
  t.same(plane.news(), ['one false: grpc 10.0.1.1:8080: no connection, or not SERVING']);
});

t.test('what was not asked says nothing', async (t) => {
  const plane = new Plane();
  const envoy = plane.envoy();
  plane.pass(60_000);
  envoy.says('UNHEALTHY', { port: 8081 });
  envoy.says('UNHEALTHY', { address: '10.0.1.2' });
  envoy.says('UNHEALTHY', { cluster: 'other' });
  plane.health.report(envoy, one, []);
  t.same(plane.news(), []);
  plane.health.report({ send: () => undefined }, one, []);
  plane.probe = undefined;
  plane.health.update();
  t.same(envoy.asked, ['10.0.1.1:8080', 'nothing']);
  envoy.says('UNHEALTHY');
  t.same(plane.news(), [], 'there is no probe any more');
});

t.test('Envoy spells addresses in its own way', async (t) => {
  const plane = new Plane();
  plane.probe = { ...probe, address: 'FD00:0:0::0007' };
  const envoy = plane.envoy();
  envoy.says('HEALTHY', { address: 'fd00::8' });
  t.same(plane.news(), []);
  envoy.says('HEALTHY', { address: 'fd00::7' });
  t.same(plane.news(), ['one true']);
});

t.test('a stream that breaks and comes back', async (t) => {
  const plane = new Plane();
  const before = plane.envoy();
  before.says('HEALTHY');
  before.close();
  before.close();
  t.same(plane.news(), ['one true'], 'its end says nothing');
  plane.pass(3000);
  const after = plane.envoy();
  after.says('UNHEALTHY');
  before.says('UNHEALTHY');
  t.same(plane.news(), [], 'another process may not have asked yet');
  plane.pass(2000);
  before.says('HEALTHY');
  after.says('UNHEALTHY');
  t.match(plane.news(), [/^one false/], 'of one that is gone nothing counts');
});

t.test('of two streams of one node the later one counts', async (t) => {
  const plane = new Plane();
  const first = plane.envoy();
  const second = plane.envoy();
  plane.pass(10_000);
  first.says('UNHEALTHY');
  t.same(plane.news(), []);
  second.says('HEALTHY');
  t.same(plane.news(), ['one true']);
  second.close();
  first.says('UNHEALTHY');
  t.match(plane.news(), [/^one false/], 'until it is gone');
  const other = plane.envoy(proxyAt('two'));
  plane.pass(10_000);
  other.says('UNHEALTHY');
  t.match(plane.news(), [/^two false/], 'whose it is, is for registrations to say');
});

t.test('one that is checked before it comes', async (t) => {
  const plane = new Plane();
  plane.known = undefined;
  const envoy = plane.envoy();
  envoy.says('HEALTHY');
  plane.news();
  plane.health.renew(one);
  t.same(plane.news(), ['one true']);
  plane.health.renew(proxyAt('two'));
  t.same(plane.news(), [], 'nothing is known of others');
});

t.test('an edited probe is told, and what is known stays until it has a result', async (t) => {
  const plane = new Plane();
  const envoy = plane.envoy();
  envoy.says('HEALTHY');
  plane.health.update();
  plane.probe = { ...probe };
  plane.health.update();
  t.same(envoy.asked, ['10.0.1.1:8080'], 'one that is equal is not');
  plane.news();
  plane.pass(60_000);
  plane.probe = { ...probe, port: 8081 };
  plane.health.update();
  t.same(envoy.asked, ['10.0.1.1:8080', '10.0.1.1:8081']);
  envoy.says('UNHEALTHY');
  envoy.says('UNHEALTHY', { port: 8081 });
  t.same(plane.news(), []);
  plane.pass(2000);
  envoy.says('UNHEALTHY', { port: 8081 });
  t.match(plane.news(), [/^one false/]);
});

t.test('a probe more takes nobody away who serves', async (t) => {
  const plane = new Plane();
  plane.probe = undefined;
  const envoy = plane.envoy();
  t.same(envoy.asked, ['nothing']);
  plane.served = true;
  plane.probe = probe;
  plane.health.update();
  t.same(plane.news(), ['one true'], 'before the first result');
  plane.pass(2000);
  envoy.says('UNHEALTHY');
  t.match(plane.news(), [/^one false/]);
  plane.probe = undefined;
  plane.health.update();
  plane.served = false;
  plane.probe = probe;
  plane.health.update();
  t.same(plane.news(), [], 'one that does not serve waits');
});

t.test('a new workload is left alone at first', async (t) => {
  const plane = new Plane();
  plane.probe = { ...probe, initialDelayS: 30 };
  plane.pass(10_000);
  const envoy = plane.envoy();
  plane.pass(19_999);
  t.same(envoy.asked, []);
  envoy.says('HEALTHY');
  t.same(plane.news(), [], 'it tells of what it was not asked');
  plane.pass(1);
  t.same(envoy.asked, ['10.0.1.1:8080'], 'from when its sidecar came');
  plane.known = { joinedMs: plane.nowMs, health: { healthy: false, sinceMs: 0, message: '' } };
  t.equal(plane.envoy().asked.length, 1, 'one of which something is known is not new');
  plane.known = undefined;
  const gone = plane.envoy(proxyAt('two'));
  t.equal(plane.waiting, 1, 'one that has not come yet is');
  gone.close();
  t.equal(plane.waiting, 0);
  plane.envoy(proxyAt('three'));
  plane.health.stop();
  t.equal(plane.waiting, 0);
  const started = new Plane(2_000_000);
  started.probe = { ...probe, initialDelayS: 30 };
  t.equal(started.envoy().asked.length, 1, 'after a start of the control plane nobody is new');
});

t.test('whatever is reported, the last word is that of the last stream', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('open' as const) }),
    fc.record({ kind: fc.constant('close' as const), of: fc.nat(5) }),
    fc.record({ kind: fc.constant('edit' as const), port: fc.constantFrom(8080, 8081, 0) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(4000) }),
    fc.record({
      kind: fc.constant('says' as const),
      of: fc.nat(5),
      port: fc.constantFrom(8080, 8081),
      status: fc.constantFrom<HealthStatus>('HEALTHY', 'UNHEALTHY', 'TIMEOUT'),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const plane = new Plane();
      let open: { envoy: Envoy; sinceMs: number }[] = [];
      for (const what of steps) {
        plane.news();
        if (what.kind === 'open') open.push({ envoy: plane.envoy(), sinceMs: plane.nowMs });
        else if (what.kind === 'pass') plane.pass(what.ms);
        else if (what.kind === 'edit') {
          const next = what.port === 0 ? undefined : { ...probe, port: what.port };
          if (next?.port !== plane.probe?.port) for (const each of open) each.sinceMs = plane.nowMs;
          plane.probe = next;
          plane.health.update();
        } else {
          const subject = open[what.of];
          if (subject === undefined) continue;
          if (what.kind === 'close') {
            subject.envoy.close();
            open = open.filter((other) => other !== subject);
          } else subject.envoy.says(what.status, { port: what.port });
          const counts =
            what.kind === 'says' && subject === open.at(-1) && what.port === plane.probe?.port;
          const decided =
            what.kind === 'says' &&
            (what.status === 'HEALTHY' || plane.nowMs - subject.sinceMs >= 2000);
          const expected =
            counts && decided ? [`one ${what.kind === 'says' && what.status === 'HEALTHY'}`] : [];
          const told = plane.news().map((text) => text.replace(/:.*/, ''));
          if (told.join() !== expected.join()) {
            throw new Error(`${JSON.stringify(what)}: told ${told}, not ${expected}`);
          }
        }
      }
    }),
    { numRuns: 500 },
  );
});
