// Inbound listeners, virtualOutbound, and sidecars without interception, by table; every result is given to a real
// Envoy. Expectations follow Istio's listener building (mesh-semantics 2.4); without interception, docs/divergence.md.
import t from 'tap';
import { inboundPlan } from '../../src/translate/inbound-plan.js';
import { buildListeners } from '../../src/translate/listener.js';
import { outboundPlan } from '../../src/translate/outbound-plan.js';
import { ports, service, serviceEntry, settings, type ViewParts, view } from './listener-inputs.js';
import { summaries } from './listener-summary.js';
import { objections } from './validate-listeners.js';

interface Case {
  name: string;
  parts: ViewParts;
  want: string[];
  problems?: string[];
}

const virtualOutbound = [
  'virtualOutbound bound []',
  '  virtualOutbound-blackhole :15001 -> BlackHoleCluster',
  '  virtualOutbound-catchall-tcp -> PassthroughCluster',
];
const unknownPorts = [
  '  virtualInbound-blackhole :15006 -> BlackHoleCluster',
  '  virtualInbound-catchall-http raw_buffer http/1.1,h2c -> http InboundPassthroughCluster',
  '  virtualInbound raw_buffer -> InboundPassthroughCluster',
];
const app = service('app', {
  addresses: ['10.0.0.1'],
  ports: ports('http:80', 'grpc:81', 'tcp:82', 'https:83', 'auto:84', 'udp:85'),
});
const old = service('old', { addresses: ['10.0.0.2'], ports: ports('tcp:90', 'http:91') });
const none = { interceptionMode: 'NONE' } as const;

const cases: Case[] = [
  {
    name: 'a workload that no service selects',
    parts: {},
    want: [
      ...virtualOutbound,
      'virtualInbound bound [original_dst, http_inspector but 15006]',
      ...unknownPorts,
    ],
  },
  {
    name: 'chains by protocol at the port of the workload; only undeclared ports are inspected',
    parts: {
      inbound: [
        [app, 0, 8080],
        [app, 1, 8081],
        [app, 2, 8082],
        [app, 3, 8083],
        [app, 4, 8084],
        [app, 5, 8085],
      ],
    },
    want: [
      ...virtualOutbound,
      'virtualInbound bound [original_dst, http_inspector but 8080 8081 8082 8083 15006]',
      ...unknownPorts,
      '  0.0.0.0_8080 :8080 raw_buffer -> http inbound|8080||',
      '  0.0.0.0_8081 :8081 raw_buffer -> http inbound|8081||',
      '  0.0.0.0_8082 :8082 raw_buffer -> inbound|8082||',
      '  0.0.0.0_8083 :8083 raw_buffer -> inbound|8083||',
      '  0.0.0.0_8084 :8084 raw_buffer http/1.1,h2c -> http inbound|8084||',
      '  0.0.0.0_8084 :8084 raw_buffer -> inbound|8084||',
    ],
  },
  {
    name: 'two services call a port differently: the first counts; reserved ports get no chain',
    parts: {
      inbound: [
        [old, 0, 8080],
        [app, 0, 8080],
        [old, 1, 15006],
      ],
    },
    want: [
      ...virtualOutbound,
      'virtualInbound bound [original_dst, http_inspector but 8080 15006]',
      ...unknownPorts,
      '  0.0.0.0_8080 :8080 raw_buffer -> inbound|8080||',
    ],
    problems: ['protocol-conflict app'],
  },
  {
    name: 'two services agree on a port: no problem',
    parts: {
      inbound: [
        [old, 1, 8080],
        [app, 0, 8080],
      ],
    },
    want: [
      ...virtualOutbound,
      'virtualInbound bound [original_dst, http_inspector but 8080 15006]',
      ...unknownPorts,
      '  0.0.0.0_8080 :8080 raw_buffer -> http inbound|8080||',
    ],
  },
  {
    name: 'TPROXY, dual stack, other ports of the sidecar, REGISTRY_ONLY',
    parts: {
      proxy: { interceptionMode: 'TPROXY', ipv6: true },
      settings: settings({
        outboundTrafficPolicy: 'REGISTRY_ONLY',
        proxyListenPort: 16001,
        proxyInboundListenPort: 16006,
      }),
    },
    want: [
      'virtualOutbound bound transparent +:: []',
      '  virtualOutbound-blackhole :16001 -> BlackHoleCluster',
      '  virtualOutbound-catchall-tcp -> BlackHoleCluster',
      'virtualInbound bound transparent +:: [original_dst, original_src, http_inspector but 16006]',
      '  virtualInbound-blackhole :16006 -> BlackHoleCluster',
      ...unknownPorts.slice(1),
    ],
  },
  {
    name: 'without interception: a bound listener a port, HTTP unsniffed, and an HTTP proxy',
    parts: {
      services: [
        app,
        serviceEntry('api.example.com', { resolution: 'dns', ports: ports('tls:83') }),
      ],
      inbound: [
        [app, 0, 8080],
        [app, 2, 8082],
        [app, 4, 8084],
      ],
      proxy: none,
    },
    want: [
      ...['80', '81'].flatMap((port) => [`127.0.0.1_${port} bound []`, `  -> rds ${port}`]),
      '127.0.0.1_82 bound []',
      '  -> outbound|82||app',
      '127.0.0.1_83 bound [tls_inspector]',
      '  sni app -> outbound|83||app',
      '  sni api.example.com -> outbound|83||api.example.com',
      '127.0.0.1_84 bound [http_inspector]',
      '  raw_buffer http/1.1,h2c -> rds 84',
      '  default -> outbound|84||app',
      '127.0.0.1_15001 bound []',
      '  -> rds http_proxy',
      '10.9.9.9_8080 bound []',
      '  10.9.9.9_8080 :8080 raw_buffer -> http inbound|8080||',
      '10.9.9.9_8082 bound []',
      '  10.9.9.9_8082 :8082 raw_buffer -> inbound|8082||',
      '10.9.9.9_8084 bound [http_inspector]',
      '  10.9.9.9_8084 :8084 raw_buffer http/1.1,h2c -> http inbound|8084||',
      '  10.9.9.9_8084 :8084 raw_buffer -> inbound|8084||',
    ],
  },
  {
    name: 'without interception at a loopback address of its own: all there, inbound before outbound',
    parts: {
      services: [old],
      inbound: [[old, 1, 91]],
      ips: ['127.0.1.3'],
      proxy: none,
    },
    want: [
      '127.0.1.3_90 bound []',
      '  -> outbound|90||old',
      '127.0.1.3_15001 bound []',
      '  -> rds http_proxy',
      '127.0.1.3_91 bound []',
      '  127.0.1.3_91 :91 raw_buffer -> http inbound|91||',
    ],
  },
  {
    name: 'without interception at 127.0.0.1: no inbound listener, it would be the application',
    parts: { inbound: [[old, 1, 91]], ips: ['127.0.0.1'], proxy: none },
    want: ['127.0.0.1_15001 bound []', '  -> rds http_proxy'],
  },
  {
    name: 'without interception two TCP services of one port meet; HTTP and TCP do not',
    parts: {
      services: [
        service('t1', { addresses: ['10.0.0.3'], ports: ports('tcp:70') }),
        service('t2', { addresses: ['10.0.0.4'], ports: ports('tcp:70') }),
        service('h', { addresses: ['10.0.0.5'], ports: ports('http:70') }),
      ],
      proxy: none,
    },
    want: [
      '127.0.0.1_70 bound [http_inspector]',
      '  raw_buffer http/1.1,h2c -> rds 70',
      '  default -> outbound|70||t1',
      '127.0.0.1_15001 bound []',
      '  -> rds http_proxy',
    ],
    problems: ['protocol-conflict t2'],
  },
];

for (const { name, parts, want, problems } of cases) {
  t.test(name, async (t) => {
    const input = view(parts);
    const listeners = buildListeners(input);
    t.strictSame(summaries(listeners), want);
    const found = [...outboundPlan(input).problems, ...inboundPlan(input).problems];
    t.strictSame(
      found.map(({ code, resource }) => `${code} ${resource?.name}`),
      problems ?? [],
    );
    t.strictSame(objections(listeners), []);
  });
}

t.test('a router has no listeners and asks for no routes yet', async (t) => {
  const input = view({ services: [app], proxy: { type: 'router' } });
  t.strictSame(buildListeners(input), []);
  t.strictSame(outboundPlan(input).routes, []);
});

t.test('virtualOutbound hands connections on by their original destination', async (t) => {
  const listeners = buildListeners(view({}));
  const outbound = listeners.find(({ name }) => name === 'virtualOutbound');
  t.match(outbound, {
    use_original_dst: { value: true },
    traffic_direction: 'OUTBOUND',
    address: { socket_address: { address: '0.0.0.0', port_value: 15001 } },
  });
  const inbound = listeners.find(({ name }) => name === 'virtualInbound');
  t.match(inbound, {
    traffic_direction: 'INBOUND',
    address: { socket_address: { address: '0.0.0.0', port_value: 15006 } },
  });
});
