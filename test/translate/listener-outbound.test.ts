// Outbound listeners by table: which ports make which listeners and chains, who gets a listener that two want, and
// that a real Envoy takes every result. Expectations follow Istio's listener building (mesh-semantics 2.3).
import t from 'tap';
import type { Service } from '../../src/mesh/service.js';
import { buildListeners } from '../../src/translate/listener.js';
import { outboundPlan } from '../../src/translate/outbound-plan.js';
import {
  endpoint,
  ports,
  service,
  serviceEntry,
  settings,
  type ViewParts,
  view,
} from './listener-inputs.js';
import { summaries } from './listener-summary.js';
import { objections } from './validate-listeners.js';

interface Case {
  name: string;
  parts: ViewParts;
  /** Listeners but virtualOutbound and virtualInbound. */
  want: string[];
  routes?: string[];
  /** `code resource` of each problem. */
  problems?: string[];
}

const http = (port: number) => [
  `0.0.0.0_${port} [http_inspector]`,
  `  raw_buffer http/1.1,h2c -> rds ${port}`,
];
const passthrough = '  default PassthroughFilterChain -> PassthroughCluster';
const vip = { addresses: ['10.0.0.1'] };

const older = service('older', { ports: ports('tcp:9000') });
const younger = service('younger', { ports: ports('tcp:9000') });
const headless = service('db', { headless: true, resolution: 'none', ports: ports('tcp:5432') });
const headlessAuto = service('auto', {
  headless: true,
  resolution: 'none',
  ports: ports('auto:80'),
});
const headlessHttp = service('web', {
  headless: true,
  resolution: 'none',
  ports: ports('http:80'),
});
const headlessTls = service('tls', {
  headless: true,
  resolution: 'none',
  ports: ports('https:443'),
});
const pods = [endpoint('10.1.0.2', 5432), endpoint('10.1.0.1', 5432), endpoint('not-an-ip', 5432)];
const at = (owner: Service) => ({ endpoints: new Map([[owner, pods]]) });

const cases: Case[] = [
  {
    name: 'HTTP services of one port share a listener and a route',
    parts: {
      services: [
        service('a', { ...vip, ports: ports('http:80', 'grpc:81') }),
        service('b', { addresses: ['10.0.0.2'], ports: ports('http2:80') }),
      ],
    },
    want: [...http(80), passthrough, ...http(81), passthrough],
    routes: ['80 a b', '81 a'],
  },
  {
    name: 'REGISTRY_ONLY sends the rest to the black hole',
    parts: {
      services: [service('a', { ...vip, ports: ports('http:80') })],
      settings: settings({ outboundTrafficPolicy: 'REGISTRY_ONLY' }),
    },
    want: [...http(80), '  default PassthroughFilterChain -> BlackHoleCluster'],
  },
  {
    name: 'TCP, HTTPS and other opaque protocols stand at the address of the service',
    parts: {
      services: [
        service('a', {
          ...vip,
          ports: ports(
            'tcp:9000',
            'https:443',
            'tls:444',
            'mongo:27017',
            'redis:6379',
            'mysql:3306',
          ),
        }),
      ],
    },
    want: [
      ...[443, 444, 3306, 6379, 9000, 27017].flatMap((port) => [
        `10.0.0.1_${port} []`,
        `  -> outbound|${port}||a`,
      ]),
    ],
    routes: [],
  },
  {
    name: 'an undeclared protocol is sniffed at the address of the service, with a route of its own',
    parts: { services: [service('a', { ...vip, ports: ports('auto:8080') })] },
    want: [
      '10.0.0.1_8080 [http_inspector]',
      '  raw_buffer http/1.1,h2c -> rds a:8080',
      '  default -> outbound|8080||a',
    ],
    routes: ['a:8080 a'],
  },
  {
    name: 'the shared route of a port has undeclared ports too',
    parts: {
      services: [
        service('a', { ...vip, ports: ports('auto:80') }),
        service('b', { addresses: ['10.0.0.2'], ports: ports('http:80') }),
      ],
    },
    want: [
      ...http(80),
      passthrough,
      '10.0.0.1_80 [http_inspector]',
      '  raw_buffer http/1.1,h2c -> rds a:80',
      '  default -> outbound|80||a',
    ],
    routes: ['80 a b', 'a:80 a'],
  },
  {
    name: 'UDP makes nothing',
    parts: { services: [service('dns', { ...vip, ports: ports('udp:53') })] },
    want: [],
    routes: [],
  },
  {
    name: 'without an address TCP stands at the wildcard',
    parts: { services: [older] },
    want: ['0.0.0.0_9000 []', '  -> outbound|9000||older'],
  },
  {
    name: 'TCP over TCP: the older service counts, whatever the order of names',
    parts: { services: [service('aaa-younger', { ports: ports('tcp:9000') }), older, younger] },
    want: ['0.0.0.0_9000 []', '  -> outbound|9000||older'],
    problems: ['protocol-conflict younger', 'protocol-conflict aaa-younger'],
  },
  {
    name: 'TCP and HTTP at the wildcard are told apart by sniffing, in either order of age',
    parts: {
      services: [
        service('t1', { ports: ports('tcp:80') }),
        service('h1', { ...vip, ports: ports('http:80') }),
        service('h2', { ...vip, ports: ports('http:81') }),
        service('t2', { ports: ports('tcp:81') }),
      ],
    },
    want: [
      ...http(80),
      '  default -> outbound|80||t1',
      ...http(81),
      '  default -> outbound|81||t2',
    ],
  },
  {
    name: 'an undeclared protocol without an address joins the wildcard and its shared route',
    parts: {
      services: [
        service('t', { ports: ports('tcp:80') }),
        service('u', { ports: ports('auto:80', 'auto:90') }),
      ],
    },
    want: [...http(80), '  default -> outbound|80||t', ...http(90), '  default -> outbound|90||u'],
    routes: ['80 u', '90 u'],
    problems: ['protocol-conflict u'],
  },
  {
    name: 'a server-first protocol shares its port with nothing that must be sniffed',
    parts: {
      services: [
        service('m', { ports: ports('mongo:27017') }),
        service('h', { ...vip, ports: ports('http:27017', 'http:3306') }),
        service('q', { ports: ports('mysql:3306') }),
      ],
    },
    want: [...http(3306), passthrough, '0.0.0.0_27017 []', '  -> outbound|27017||m'],
    problems: ['protocol-conflict h', 'protocol-conflict q'],
  },
  {
    name: 'TLS without an address is told apart by server name',
    parts: {
      services: [
        serviceEntry('api.example.com', { resolution: 'dns', ports: ports('https:443') }),
        serviceEntry('*.example.org', { resolution: 'none', ports: ports('tls:443') }),
      ],
    },
    want: [
      '0.0.0.0_443 [tls_inspector]',
      '  sni api.example.com -> outbound|443||api.example.com',
      '  sni *.example.org -> outbound|443||*.example.org',
      passthrough,
    ],
  },
  {
    name: 'blocks of addresses are prefix ranges at the wildcard, single addresses listeners',
    parts: {
      services: [
        serviceEntry('cache.example.com', {
          addresses: ['10.8.0.0/16', '10.7.0.1', '10.9.0.0/16'],
          resolution: 'none',
          ports: ports('tcp:6379'),
        }),
        serviceEntry('other.example.com', {
          addresses: ['10.10.1.2/16'],
          resolution: 'static',
          ports: ports('tcp:6379'),
        }),
      ],
    },
    want: [
      '0.0.0.0_6379 []',
      '  10.8.0.0/16,10.9.0.0/16 -> outbound|6379||cache.example.com',
      '  10.10.0.0/16 -> outbound|6379||other.example.com',
      passthrough,
      '10.7.0.1_6379 []',
      '  -> outbound|6379||cache.example.com',
    ],
  },
  {
    name: 'the same block twice: the older service counts',
    parts: {
      services: [
        serviceEntry('one.example.com', { addresses: ['10.8.0.0/16'], ports: ports('tcp:1') }),
        serviceEntry('two.example.com', { addresses: ['10.8.1.1/16'], ports: ports('tcp:1') }),
      ],
    },
    want: ['0.0.0.0_1 []', '  10.8.0.0/16 -> outbound|1||one.example.com', passthrough],
    problems: ['protocol-conflict two.example.com'],
  },
  {
    name: 'blocks and server names that overlap: the first has them, the rest stays',
    parts: {
      services: [
        serviceEntry('one.example.com', {
          addresses: ['10.8.0.0/16', '10.9.0.0/16'],
          ports: ports('tcp:1'),
        }),
        serviceEntry('two.example.com', {
          addresses: ['10.9.9.9/16', '10.10.0.0/16'],
          ports: ports('tcp:1'),
        }),
        serviceEntry('tls.example.com', { resolution: 'dns', ports: ports('tls:443') }),
        serviceEntry('alias.example.com', {
          resolution: 'dns',
          ports: ports('tls:443'),
          aliases: ['tls.example.com'],
        }),
      ],
    },
    want: [
      '0.0.0.0_1 []',
      '  10.8.0.0/16,10.9.0.0/16 -> outbound|1||one.example.com',
      '  10.10.0.0/16 -> outbound|1||two.example.com',
      passthrough,
      '0.0.0.0_443 [tls_inspector]',
      '  sni tls.example.com -> outbound|443||tls.example.com',
      '  sni alias.example.com -> outbound|443||alias.example.com',
      passthrough,
    ],
    problems: ['protocol-conflict two.example.com', 'protocol-conflict alias.example.com'],
  },
  {
    name: 'one address is one listener, even as an additional one in another spelling',
    parts: {
      services: [
        service('a', { addresses: ['10.0.0.1', 'fd00::1'], ports: ports('tcp:9000') }),
        service('b', { addresses: ['10.0.0.2', 'fd00:0::1'], ports: ports('tcp:9000') }),
        serviceEntry('c.example.com', { addresses: ['fd00::0:1'], ports: ports('tcp:9000') }),
      ],
      proxy: { ipv6: true },
    },
    want: [
      '10.0.0.1_9000 +fd00::1 []',
      '  -> outbound|9000||a',
      '10.0.0.2_9000 []',
      '  -> outbound|9000||b',
    ],
    problems: ['protocol-conflict c.example.com'],
  },
  {
    name: 'headless TCP: a listener at each endpoint',
    parts: { services: [headless], ...at(headless) },
    want: [
      '10.1.0.1_5432 []',
      '  -> outbound|5432||db',
      '10.1.0.2_5432 []',
      '  -> outbound|5432||db',
    ],
  },
  {
    name: 'headless with nothing running: no listener that could take the port from others',
    parts: { services: [headless] },
    want: [],
  },
  {
    name: 'headless and undeclared: sniffed at each endpoint',
    parts: { services: [headlessAuto], ...at(headlessAuto) },
    want: ['10.1.0.1_80', '10.1.0.2_80'].flatMap((name) => [
      `${name} [http_inspector]`,
      '  raw_buffer http/1.1,h2c -> rds auto:80',
      '  default -> outbound|80||auto',
    ]),
    routes: ['auto:80 auto'],
  },
  {
    name: 'headless HTTP shares the listener of the port; headless TLS needs no server name',
    parts: {
      services: [headlessHttp, headlessTls],
      endpoints: new Map([
        [headlessHttp, pods],
        [headlessTls, pods],
      ]),
    },
    want: [
      ...http(80),
      passthrough,
      '10.1.0.1_443 []',
      '  -> outbound|443||tls',
      '10.1.0.2_443 []',
      '  -> outbound|443||tls',
    ],
  },
  {
    name: 'a plain ServiceEntry with resolution NONE stands at the wildcard',
    parts: {
      services: [serviceEntry('any.example.com', { resolution: 'none', ports: ports('tcp:25') })],
    },
    want: ['0.0.0.0_25 []', '  -> outbound|25||any.example.com'],
  },
  {
    name: "the sidecar's own ports are left alone at the wildcard, not at other addresses",
    parts: {
      services: [
        service('h', { ...vip, ports: ports('http:15001', 'http:15006', 'tcp:15090') }),
        service('t', { ports: ports('tcp:15021') }),
      ],
    },
    want: ['10.0.0.1_15090 []', '  -> outbound|15090||h'],
    routes: [],
    problems: ['reserved-port h', 'reserved-port h', 'reserved-port t'],
  },
  {
    name: 'dual stack: all addresses of a v1 Service in one listener',
    parts: {
      services: [
        service('a', { addresses: ['10.0.0.1', 'fd00::1'], ports: ports('tcp:9000', 'http:80') }),
      ],
      proxy: { ipv6: true },
    },
    want: [
      '0.0.0.0_80 +:: [http_inspector]',
      '  raw_buffer http/1.1,h2c -> rds 80',
      passthrough,
      '10.0.0.1_9000 +fd00::1 []',
      '  -> outbound|9000||a',
    ],
  },
  {
    name: 'IPv4 only: addresses of the other family are left out',
    parts: {
      services: [
        service('a', { addresses: ['10.0.0.1', 'fd00::1'], ports: ports('tcp:9000') }),
        service('b', { addresses: ['fd00::2'], ports: ports('tcp:9000') }),
      ],
    },
    want: ['10.0.0.1_9000 []', '  -> outbound|9000||a'],
  },
  {
    name: 'IPv6 only',
    parts: {
      services: [service('a', { addresses: ['fd00::1'], ports: ports('tcp:9000', 'http:80') })],
      proxy: { ipv4: false, ipv6: true },
    },
    want: [
      '::_80 [http_inspector]',
      '  raw_buffer http/1.1,h2c -> rds 80',
      passthrough,
      'fd00::1_9000 []',
      '  -> outbound|9000||a',
    ],
  },
];

for (const { name, parts, want, routes, problems } of cases) {
  t.test(name, async (t) => {
    const input = view(parts);
    const listeners = buildListeners(input);
    const own = listeners.filter(({ name }) => !name?.startsWith('virtual'));
    t.strictSame(summaries(own), want);
    const plan = outboundPlan(input);
    if (routes !== undefined) t.strictSame(plan.routes.map(routeLine), routes);
    t.strictSame(
      plan.problems.map(({ code, resource }) => `${code} ${resource?.name}`),
      problems ?? [],
    );
    t.strictSame(objections(listeners), []);
  });
}

function routeLine({ name, services }: ReturnType<typeof outboundPlan>['routes'][number]): string {
  const hosts = services.map((each) => each.service.name).join(' ');
  return `${name} ${hosts}`.replaceAll('.default.svc.cluster.local', '');
}
