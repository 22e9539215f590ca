// Whatever users write, no listener is one that Envoy refuses: random views, full of collisions of addresses, blocks,
// server names and ports, go to a real Envoy. The seed of a failure is in its message.
import t from 'tap';
import type { VirtualService } from '../../src/mesh/rules.js';
import type { Service } from '../../src/mesh/service.js';
import { buildListeners } from '../../src/translate/listener.js';
import {
  endpoint,
  ports,
  service,
  serviceEntry,
  type ViewParts,
  view,
  virtualService,
} from './listener-inputs.js';
import { summaries } from './listener-summary.js';
import { objections } from './validate-listeners.js';

const VIEWS = 40;
const firstSeed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const protocols = 'http http2 grpc grpc-web https tls tcp mongo redis mysql udp auto'.split(' ');
const numbers = [80, 443, 9000, 15001, 15006, 15090, 3306];
const vips = ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00:0::1'];
const blocks = ['10.8.0.0/16', '10.8.1.1/16', 'fd00:1::/32', '10.0.0.1/32', '0.0.0.0/0'];
const hosts = ['a.example.com', 'B.example.com', '*.example.com', '*.com', 'c.example.org'];

class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (this.#state >> 8) % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  some<T>(list: readonly T[], max: number): T[] {
    return this.times(max, () => this.pick(list));
  }

  times<T>(max: number, make: (i: number) => T): T[] {
    return Array.from({ length: this.below(max + 1) }, (_, i) => make(i));
  }
}

function randomPorts(random: Random): Service['ports'] {
  const chosen = new Set([random.pick(numbers), ...random.some(numbers, 3)]);
  return ports(...[...chosen].map((number) => `${random.pick(protocols)}:${number}`));
}

function randomService(random: Random, i: number): Service {
  const own = randomPorts(random);
  if (random.below(2) === 0) {
    const headless = random.below(2) === 0;
    const addresses = headless ? [] : [...new Set(random.some(vips, 2))];
    const resolution = headless ? 'none' : 'static';
    return service(`s${i}`, { headless, addresses, resolution, ports: own });
  }
  return serviceEntry(random.pick(hosts), {
    addresses: random.some([...vips, ...blocks], 3),
    resolution: random.pick(['none', 'static', 'dns']),
    aliases: random.some(hosts, 1),
    ports: own,
  });
}

function randomRule(random: Random, i: number, services: readonly Service[]): VirtualService {
  const to = () => ({
    destination: { host: random.pick(services).hostname },
    weight: random.below(3) * 10,
  });
  const subnets = () => random.some([...vips, ...blocks], 3);
  return virtualService(`v${i}`, [...random.some(hosts, 2), 's0', 's1'], {
    tcp: random.times(2, () => ({
      match: random.times(2, () => ({ destinationSubnets: subnets() })),
      route: [to(), ...random.times(2, to)],
    })),
    tls: random.times(2, () => ({
      match: [
        {
          sniHosts: [random.pick(hosts), ...random.some([...hosts, '*'], 2)],
          destinationSubnets: subnets(),
        },
      ],
      route: [to()],
    })),
  });
}

function randomView(random: Random): ViewParts {
  const all = ['x', ...random.times(8, String)].map((_, i) => randomService(random, i));
  const services = [...new Map(all.map((each) => [each.hostname, each])).values()];
  const endpoints = services.map((each) => {
    const pods = random.some(['10.1.0.1', 'fd00::1', 'a.name'], 3);
    return [each, pods.map((ip) => endpoint(ip, 80))] as const;
  });
  const inbound = random.some(services, 4).flatMap((owner) =>
    owner.ports.map((_, i): [Service, number, number] => {
      return [owner, i, random.pick([8080, 8081, 15006, 9000])];
    }),
  );
  return {
    services,
    endpoints: new Map(endpoints),
    virtualServices: random.times(3, (i) => randomRule(random, i, services)),
    inbound,
    ips: [random.pick(['10.9.9.9', '127.0.1.7', '127.0.0.1'])],
    proxy: {
      interceptionMode: random.pick(['REDIRECT', 'TPROXY', 'NONE']),
      ipv6: random.below(2) === 0,
    },
  };
}

t.test(`${VIEWS} random views`, { timeout: 120_000 }, async (t) => {
  for (let seed = firstSeed; seed < firstSeed + VIEWS; seed++) {
    const listeners = buildListeners(view(randomView(new Random(seed))));
    const found = objections(listeners);
    if (found.length === 0) continue;
    t.fail(`SEED=${seed}: ${found.join()}`, { listeners: summaries(listeners) });
    return;
  }
  t.pass(`all taken, from seed ${firstSeed}`);
});
