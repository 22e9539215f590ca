// The demo without namespaces: every process on the loopback interface, at ports of its own. The
// frontend's sidecar (interception mode NONE) listens at a port for the backend service, and the
// frontend is pointed at it; each backend has an Envoy in front of it with a listener from its
// bootstrap, because in mode NONE Istio makes no inbound listeners without a Sidecar resource.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { buildBootstrap } from '../bootstrap.js';
import type { LocalProcesses } from './local-processes.js';
import { envoyCommand } from './run-pods.js';
import { type DemoWorkload, demoDir, workloads } from './workloads.js';

/** The ports of one run. */
export interface PortPlan {
  /** The frontend app itself. */
  frontend: number;
  /** Where the frontend's sidecar listens for calls to the backend service. */
  backendService: number;
  /** By workload: the backend's Envoy and the app behind it. */
  backends: Readonly<Record<string, { envoy: number; app: number }>>;
}

/** Finds free ports. `frontend` is the port wanted for it. */
export async function planPorts(frontend: number): Promise<PortPlan> {
  const wanted = await freePort(frontend).catch(() => freePort(0));
  // Asked for all at once, so that no two are the same.
  const [backendService, ...rest] = await Promise.all([0, 0, 0, 0, 0].map(freePort));
  const [envoy1, app1, envoy2, app2] = rest;
  return {
    frontend: wanted,
    backendService: backendService!,
    backends: {
      'backend-v1': { envoy: envoy1!, app: app1! },
      'backend-v2': { envoy: envoy2!, app: app2! },
    },
  };
}

/** What replaces services.yaml and workloads.yaml: the same backend, at this run's ports. */
export function portsConfig(plan: PortPlan): Record<string, string> {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'backend', namespace: 'default' },
    spec: {
      selector: { app: 'backend' },
      ports: [{ name: 'http', port: plan.backendService, targetPort: plan.backendService }],
    },
  };
  const entries = backends().map(({ name, labels }) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: { name, namespace: 'default' },
    spec: { address: '127.0.0.1', ports: { http: plan.backends[name]!.envoy }, labels },
  }));
  return {
    'services.yaml': stringify(service),
    'workloads.yaml': entries.map((entry) => stringify(entry)).join('---\n'),
  };
}

/** Starts apps and Envoys. */
export async function runPorts(
  processes: LocalProcesses,
  options: { plan: PortPlan; envoyPath: string; xdsPort: number },
): Promise<void> {
  const { plan, envoyPath, xdsPort } = options;
  const app = (name: string, file: string, env: NodeJS.ProcessEnv) =>
    processes.run(`${name}.app`, [process.execPath, join(demoDir, 'app', file)], {
      HOST: '127.0.0.1',
      NAME: name,
      ...env,
    });
  const admin = (name: string) => `unix:${join(processes.dir, `${name}.admin.sock`)}`;
  const shared = { xds: `127.0.0.1:${xdsPort}`, metricsPort: 0, healthPort: 0 } as const;
  const [frontend] = workloads;
  const sidecar = buildBootstrap({
    ...shared,
    type: 'sidecar',
    name: 'frontend',
    ips: ['127.0.0.1'],
    labels: frontend!.labels,
    interceptionMode: 'NONE',
    admin: admin('frontend'),
  });
  await Promise.all([
    app('frontend', 'frontend.mjs', {
      PORT: String(plan.frontend),
      BACKEND_URL: `http://127.0.0.1:${plan.backendService}/`,
      BACKEND_HOST: `backend:${plan.backendService}`,
    }),
    processes.run('frontend.envoy', envoyCommand(envoyPath, sidecar)),
    ...backends().map(async ({ name, labels }) => {
      const ports = plan.backends[name]!;
      const edge = buildBootstrap({
        ...shared,
        type: 'router',
        name,
        ips: ['127.0.0.1'],
        labels,
        admin: admin(name),
      });
      const inbound = inboundResources(ports);
      const own = edge['static_resources'] as { clusters: object[] };
      edge['static_resources'] = {
        clusters: [...own.clusters, ...inbound.clusters],
        listeners: inbound.listeners,
      };
      await app(name, 'backend.mjs', {
        PORT: String(ports.app),
        VERSION: labels['version'],
      });
      await processes.run(`${name}.envoy`, envoyCommand(envoyPath, edge));
    }),
  ]);
}

function backends(): DemoWorkload[] {
  return workloads.filter((workload) => workload.labels['app'] === 'backend');
}

const extensions = 'type.googleapis.com/envoy.extensions';

function inboundResources(ports: { envoy: number; app: number }) {
  const address = (port: number) => ({
    socket_address: { address: '127.0.0.1', port_value: port },
  });
  const cluster = `inbound|${ports.app}||`;
  const manager = {
    '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: `inbound_${ports.envoy};`,
    route_config: {
      virtual_hosts: [
        {
          name: 'inbound',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster, timeout: '0s' } }],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${extensions}.filters.http.router.v3.Router` },
      },
    ],
  };
  const hcm = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  return {
    listeners: [
      { name: 'inbound', address: address(ports.envoy), filter_chains: [{ filters: [hcm] }] },
    ],
    clusters: [
      {
        name: cluster,
        type: 'STATIC',
        connect_timeout: '1s',
        load_assignment: {
          cluster_name: cluster,
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(ports.app) } }] }],
        },
      },
    ],
  };
}

function freePort(wanted: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      // Held until the next turn: calls made together get different ports.
      setImmediate(() => server.close(() => resolve(port)));
    });
  });
}
