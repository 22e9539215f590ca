// The mesh that random edits are made to, as plain data: services with their workloads, rules and routes, the files that
// say so, and which workload may answer which request. Every state is valid: each destination exists and has endpoints.
import { documents, type Fleet, resource } from './fleet.js';

/** A service and everything that is written about it. */
export interface Edited {
  readonly name: string;
  readonly kind: 'http' | 'tcp' | 'entry';
  port: number;
  v1: readonly string[];
  v2: readonly string[];
  /** Names of the two subsets; none: no subsets and no split. */
  subsets?: readonly [string, string];
  policy?: object;
  /** There is a VirtualService. */
  route?: {
    /** Weight of v1 of 100; without subsets all is one destination. */
    v1: number;
    /** Requests with `x-user: alice` go to this version. */
    alice?: 'v1' | 'v2';
    /** All others go to another service. */
    other?: string;
    timeout?: string;
    retries?: object;
  };
  /** Rules are in a file of their own. */
  apart?: boolean;
}

export interface World {
  services: Record<string, Edited>;
  meshConfig: object;
}

/** Where things are; the same for the whole test. */
export interface Ground {
  fleet: Fleet;
  /** The port of HTTP workloads is the fleet's; that of TCP ones: */
  tcpPort: number;
}

/** The host that clients name. */
export function hostOf({ name, kind }: Edited): string {
  return kind === 'entry' ? `${name}.test` : name;
}

/** The files of the directory: name -> text. */
export function render(world: World, ground: Ground): Map<string, string> {
  const files = new Map<string, string>();
  const metadata = { name: 'mesh' };
  const config = { apiVersion: 'mesh.istio.io/v1alpha1', kind: 'MeshConfig', metadata };
  files.set('mesh.yaml', documents({ ...config, spec: world.meshConfig }));
  for (const service of Object.values(world.services)) {
    const rules = [...destinationRule(service), ...virtualService(service, world)];
    const what =
      service.kind === 'entry' ? serviceEntry(service, ground) : kubernetes(service, ground);
    if (service.apart) {
      files.set(`${service.name}.yaml`, documents(...what));
      if (rules.length > 0) files.set(`${service.name}-rules.yaml`, documents(...rules));
    } else files.set(`${service.name}.yaml`, documents(...what, ...rules));
  }
  return files;
}

function kubernetes(service: Edited, { fleet, tcpPort }: Ground): object[] {
  const { name, port } = service;
  const portName = service.kind === 'tcp' ? 'tcp' : 'http';
  const selector = { app: name };
  const ports = [{ name: portName, port, targetPort: portName }];
  const spec = { clusterIP: '240.240.0.10', selector, ports };
  const target = service.kind === 'tcp' ? tcpPort : fleet.port;
  const entry = (member: string, version: string) =>
    resource('WorkloadEntry', `${name}-${member}`, {
      address: fleet.address(member),
      ports: { [portName]: target },
      labels: { app: name, version },
    });
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec },
    ...service.v1.map((member) => entry(member, 'v1')),
    ...service.v2.map((member) => entry(member, 'v2')),
  ];
}

function serviceEntry(service: Edited, { fleet }: Ground): object[] {
  const entry = (member: string, version: string) => ({
    address: fleet.address(member),
    ports: { http: fleet.port },
    labels: { version },
  });
  return [
    resource('ServiceEntry', service.name, {
      hosts: [hostOf(service)],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: service.port, name: 'http', protocol: 'HTTP' }],
      endpoints: [
        ...service.v1.map((member) => entry(member, 'v1')),
        ...service.v2.map((member) => entry(member, 'v2')),
      ],
    }),
  ];
}

function destinationRule(service: Edited): object[] {
  const { name, subsets, policy } = service;
  if (subsets === undefined && policy === undefined) return [];
  const versions = ['v1', 'v2'];
  return [
    resource('DestinationRule', name, {
      host: hostOf(service),
      ...(policy && { trafficPolicy: policy }),
      ...(subsets && {
        subsets: subsets.map((subset, i) => ({ name: subset, labels: { version: versions[i] } })),
      }),
    }),
  ];
}

function virtualService(service: Edited, world: World): object[] {
  const { name, kind, subsets, route } = service;
  if (route === undefined) return [];
  const host = hostOf(service);
  const split = subsets
    ? [
        { destination: { host, subset: subsets[0] }, weight: route.v1 },
        { destination: { host, subset: subsets[1] }, weight: 100 - route.v1 },
      ]
    : [{ destination: { host } }];
  if (kind === 'tcp') {
    return [resource('VirtualService', name, { hosts: [host], tcp: [{ route: split }] })];
  }
  const { timeout, retries, alice } = route;
  const options = { ...(timeout && { timeout }), ...(retries && { retries }) };
  const other = route.other === undefined ? undefined : world.services[route.other];
  const rest = other ? [{ destination: { host: hostOf(other) } }] : split;
  const http: object[] = [{ route: rest, ...options }];
  if (alice !== undefined) {
    const match = [{ headers: { 'x-user': { exact: 'alice' } } }];
    const subset = subsets?.[alice === 'v1' ? 0 : 1];
    http.unshift({ match, route: [{ destination: { host, ...(subset && { subset }) } }] });
  }
  return [resource('VirtualService', name, { hosts: [host], http })];
}

/** The members that may answer `user` at a service. */
export function allowed(world: World, service: Edited, user: string): ReadonlySet<string> {
  const { subsets, route, v1, v2 } = service;
  const all = [...v1, ...v2];
  if (route === undefined) return new Set(all);
  if (route.alice !== undefined && user === 'alice') {
    return new Set(subsets === undefined ? all : service[route.alice]);
  }
  const other = route.other === undefined ? undefined : world.services[route.other];
  if (other !== undefined) return new Set([...other.v1, ...other.v2]);
  if (subsets === undefined) return new Set(all);
  return new Set([...(route.v1 > 0 ? v1 : []), ...(route.v1 < 100 ? v2 : [])]);
}

/** Users that requests come from; routes may tell them apart. */
export const users = ['alice', 'bob'] as const;

/** The rules of one world with the workloads of another: routes and endpoints are not changed in one moment. */
function mixed(rules: World, workloads: World): World {
  const services = Object.values(rules.services).map((service): [string, Edited] => {
    const { v1, v2 } = workloads.services[service.name] ?? service;
    return [service.name, { ...service, v1, v2 }];
  });
  return { ...rules, services: Object.fromEntries(services) };
}

/** Who may answer while one of these worlds becomes another. */
export function answersBetween(worlds: readonly World[]): Map<string, ReadonlySet<string>> {
  const merged = new Map<string, ReadonlySet<string>>();
  for (const rules of worlds) {
    for (const workloads of worlds) {
      for (const [key, names] of expectations(mixed(rules, workloads)).answers) {
        merged.set(key, new Set([...(merged.get(key) ?? []), ...names]));
      }
    }
  }
  return merged;
}

/** What may be called, `NAME:PORT`, and who may answer each user of it, `NAME:PORT/USER`. */
export function expectations(world: World): {
  targets: Map<string, Edited>;
  answers: Map<string, ReadonlySet<string>>;
} {
  const targets = new Map<string, Edited>();
  const answers = new Map<string, ReadonlySet<string>>();
  for (const service of Object.values(world.services)) {
    const target = `${service.name}:${service.port}`;
    targets.set(target, service);
    for (const user of users) answers.set(`${target}/${user}`, allowed(world, service, user));
  }
  return { targets, answers };
}
