// The demo without namespaces: every process on the loopback interface, at ports of its own. The
// frontend's sidecar (interception mode NONE) listens at a port for the backend service, and the
// frontend is pointed at it; each backend has an Envoy in front of it with a listener from its
// bootstrap, because in mode NONE Istio makes no inbound listeners without a Sidecar resource.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { buildBootstrap } from '../bootstrap.js';
import type { LocalProcesses } from './local-processes.js';
import type { PortPlan } from './ports-config.js';
import { envoyCommand } from './run-pods.js';
import { type DemoWorkload, demoDir, ingress, workloads } from './workloads.js';

/** Finds free ports; `http` and `https` are those wanted for the gateway. */
export async function planPorts(wanted: { http: number; https: number }): Promise<PortPlan> {
  const orFree = (port: number) => freePort(port).catch(() => freePort(0));
  // Asked for all at once, so that no two are the same.
  const [http, https, frontend, backendService, ...rest] = await Promise.all([
    ...[wanted.http, wanted.https].map(orFree),
    ...[0, 0, 0, 0, 0, 0].map(freePort),
  ]);
  const [envoy1, app1, envoy2, app2] = rest;
  return {
    http: http!,
    https: https!,
    frontend: frontend!,
    backendService: backendService!,
    backends: {
      'backend-v1': { envoy: envoy1!, app: app1! },
      'backend-v2': { envoy: envoy2!, app: app2! },
    },
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
  const gateway = buildBootstrap({
    ...shared,
    type: 'router',
    name: ingress.name,
    ips: ['127.0.0.1'],
    labels: ingress.labels,
    admin: admin(ingress.name),
  });
  await Promise.all([
    app('frontend', 'frontend.mjs', {
      PORT: String(plan.frontend),
      BACKEND_URL: `http://127.0.0.1:${plan.backendService}/`,
      BACKEND_HOST: `backend:${plan.backendService}`,
    }),
    processes.run('frontend.envoy', envoyCommand(envoyPath, sidecar)),
    processes.run('ingressgateway.envoy', envoyCommand(envoyPath, gateway)),
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
