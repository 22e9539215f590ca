// The mesh of `npm run bench -- translate` as texts, one file a service: seven of ten are v1 Services with an
// EndpointSlice, three are ServiceEntries with labelled endpoints and a DestinationRule; every fifth has a
// VirtualService. And the edits to measure, each as files to write or (undefined) to remove.

export interface MeshTextOptions {
  services: number;
  /** With a Sidecar in each namespace that lets see the namespace itself and ten hosts of others. */
  scoped: boolean;
}

export type Files = Readonly<Record<string, string | undefined>>;

/** Services of one namespace. */
const namespaceSize = 10;
const endpointsEach = 10;

export const editNames = [
  'endpoint of an EndpointSlice',
  'endpoint of a ServiceEntry',
  'weights of a VirtualService',
  'limits of a DestinationRule',
  'a subset more or less',
  'a service more',
  'a service less',
  'hosts of a Sidecar',
  'MeshConfig',
] as const;

export type EditName = (typeof editNames)[number];

/** Texts by path, and edits of them. */
export class MeshTexts {
  readonly #options: MeshTextOptions;

  constructor(options: MeshTextOptions) {
    this.#options = options;
  }

  get namespaces(): number {
    return Math.ceil(this.#options.services / namespaceSize);
  }

  /** All files at the start. */
  start(): Files {
    const files: Record<string, string> = { 'mesh.yaml': meshConfig(5) };
    for (let i = 0; i < this.#options.services; i++) files[path(i)] = serviceText(i, {});
    if (this.#options.scoped) {
      for (let i = 0; i < this.namespaces; i++) files[sidecarPath(i)] = this.#sidecar(i, 0);
    }
    return files;
  }

  /** The `round`th edit of a kind; undefined where this mesh has none of it. Rounds touch different services. */
  edit(name: EditName, round: number): Files | undefined {
    const { services, scoped } = this.#options;
    const at = (digit: number) => (round * 130 + digit) % services;
    const salt = round + 1;
    switch (name) {
      case 'endpoint of an EndpointSlice':
        return one(at(1), { address: `10.200.1.${salt}` });
      case 'endpoint of a ServiceEntry':
        return one(at(3), { address: `10.200.3.${salt}` });
      case 'weights of a VirtualService':
        return one(at(0), { weight: 10 + (salt % 80) });
      case 'limits of a DestinationRule':
        return one(at(3), { connections: 1000 + salt });
      case 'a subset more or less':
        return one(at(6), { subsets: 3 });
      case 'a service more':
        return { [path(services + round)]: serviceText(services + round, {}) };
      case 'a service less':
        return { [path(services + round)]: undefined };
      case 'hosts of a Sidecar':
        return scoped ? { [sidecarPath(round)]: this.#sidecar(round, salt) } : undefined;
      case 'MeshConfig':
        return { 'mesh.yaml': meshConfig(5 + salt) };
    }
  }

  /** The node of a sidecar beside the first service of a namespace. */
  node(namespace: number) {
    const name = `team-${namespace}`;
    const ip = `10.100.${Math.floor(namespace / 250)}.${1 + (namespace % 250)}`;
    return {
      id: `sidecar~${ip}~client.${name}~${name}.svc.cluster.local`,
      cluster: 'client',
      metadata: { NAMESPACE: name, INSTANCE_IPS: ip, LABELS: { app: 'client' } },
    };
  }

  #sidecar(namespace: number, shift: number): string {
    const { services } = this.#options;
    const hosts = Array.from({ length: 10 }, (_, n) => {
      const i = (namespace * namespaceSize + 97 * (n + 1) + shift * (n === 9 ? 7 : 0)) % services;
      return `    - team-${Math.floor(i / namespaceSize)}/${hostname(i)}`;
    });
    return `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: team-${namespace} }
spec:
  egress:
  - hosts:
    - ./*
${hosts.join('\n')}
`;
  }
}

interface Change {
  address?: string;
  weight?: number;
  connections?: number;
  subsets?: number;
}

function one(i: number, change: Change): Files {
  return { [path(i)]: serviceText(i, change) };
}

const path = (i: number) => `service-${String(i).padStart(6, '0')}.yaml`;
const sidecarPath = (i: number) => `sidecar-${String(i).padStart(6, '0')}.yaml`;
const isEntry = (i: number) => [0, 3, 6].includes(i % 10);
const namespaceOf = (i: number) => `team-${Math.floor(i / namespaceSize)}`;

function hostname(i: number): string {
  return isEntry(i)
    ? `service-${i}.mesh.internal`
    : `service-${i}.${namespaceOf(i)}.svc.cluster.local`;
}

function serviceText(i: number, change: Change): string {
  const parts = isEntry(i)
    ? [serviceEntry(i, change), destinationRule(i, change)]
    : [kubernetesService(i), endpointSlice(i, change)];
  if (i % 5 === 0) parts.push(virtualService(i, change));
  return parts.join('---\n');
}

/** Most speak HTTP at one port, some at others, some gRPC, and one of ten TCP. */
function port(i: number): { name: string; number: number; protocol: string } {
  if (i % 10 === 9) return { name: 'tcp-db', number: 3306, protocol: 'TCP' };
  if (i % 10 === 8) return { name: 'grpc', number: 9090, protocol: 'GRPC' };
  if (i % 10 === 7) return { name: 'http', number: 9000 + (i % 17), protocol: 'HTTP' };
  return { name: 'http', number: 8080, protocol: 'HTTP' };
}

const octets = (i: number) =>
  `${Math.floor(i / 60_000)}.${Math.floor(i / 240) % 250}.${1 + (i % 240)}`;
const endpointIp = (i: number, n: number) =>
  `10.${n}.${Math.floor(i / 250) % 250}.${1 + (i % 250)}`;

function kubernetesService(i: number): string {
  const { name, number } = port(i);
  return `apiVersion: v1
kind: Service
metadata:
  name: service-${i}
  namespace: ${namespaceOf(i)}
  labels:
    app: service-${i}
spec:
  clusterIP: 240.${octets(i)}
  selector:
    app: service-${i}
  ports:
  - name: ${name}
    port: ${number}
    targetPort: 8080
`;
}

function endpointSlice(i: number, { address }: Change): string {
  const ips = Array.from({ length: endpointsEach }, (_, n) =>
    n === 0 && address ? address : endpointIp(i, n),
  );
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: service-${i}-abcde
  namespace: ${namespaceOf(i)}
  labels:
    kubernetes.io/service-name: service-${i}
addressType: IPv4
ports:
- name: ${port(i).name}
  port: 8080
  protocol: TCP
endpoints:
${ips.map((ip) => `- addresses:\n  - ${ip}\n  conditions:\n    ready: true\n`).join('')}`;
}

function serviceEntry(i: number, { address }: Change): string {
  const { name, number, protocol } = port(i);
  const endpoints = Array.from({ length: endpointsEach }, (_, n) => {
    const ip = n === 0 && address ? address : endpointIp(i, n);
    return `  - address: ${ip}\n    labels:\n      version: v${1 + (n % 2)}\n`;
  });
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: service-${i}
  namespace: ${namespaceOf(i)}
spec:
  hosts:
  - ${hostname(i)}
  addresses:
  - 240.${octets(i)}
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - number: ${number}
    name: ${name}
    protocol: ${protocol}
  endpoints:
${endpoints.join('')}`;
}

function destinationRule(i: number, { connections = 1000, subsets = 2 }: Change): string {
  const names = Array.from({ length: subsets }, (_, n) => `v${n + 1}`);
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: service-${i}
  namespace: ${namespaceOf(i)}
spec:
  host: ${hostname(i)}
  trafficPolicy:
    connectionPool:
      tcp:
        maxConnections: ${connections}
      http:
        http2MaxRequests: 1000
        maxRequestsPerConnection: 10
    outlierDetection:
      consecutive5xxErrors: 7
      interval: 30s
      baseEjectionTime: 120s
  subsets:
${names.map((name) => `  - name: ${name}\n    labels:\n      version: ${name}\n`).join('')}`;
}

function virtualService(i: number, { weight = 90 }: Change): string {
  const host = hostname(i);
  const split = isEntry(i)
    ? `    - destination:
        host: ${host}
        subset: v1
      weight: ${weight}
    - destination:
        host: ${host}
        subset: v2
      weight: ${100 - weight}
`
    : `    - destination:
        host: ${host}
    timeout: ${weight}s
    retries:
      attempts: 3
      perTryTimeout: 2s
`;
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: service-${i}
  namespace: ${namespaceOf(i)}
spec:
  hosts:
  - ${host}
  http:
  - match:
    - headers:
        x-canary:
          exact: "yes"
    route:
    - destination:
        host: ${host}
  - route:
${split}`;
}

function meshConfig(seconds: number): string {
  return `apiVersion: networking.istio.io/v1
kind: MeshConfig
metadata:
  name: mesh
spec:
  connectTimeout: ${seconds}s
`;
}
