// The demo's files about places, for mode `ports`: the same frontend, backend and gateway at ports of the loopback
// interface. Nobody registers there, because what stands in front of the apps are no sidecars (run-ports.ts).
import { stringify } from 'yaml';
import { credentialName } from './gateway-certificate.js';
import { ingress, workloads } from './workloads.js';

const istio = 'networking.istio.io/v1';

/** The ports of one run. */
export interface PortPlan {
  /** Where the gateway listens. */
  http: number;
  https: number;
  /** The frontend app itself. */
  frontend: number;
  /** Where the frontend's sidecar listens for calls to the backend service. */
  backendService: number;
  /** By workload: the backend's Envoy and the app behind it. */
  backends: Readonly<Record<string, { envoy: number; app: number }>>;
}

/** What replaces the files about places: the same frontend, backend and gateway, at this run's ports. */
export function portsConfig(plan: PortPlan): Record<string, string> {
  const services = [
    resource('v1', 'Service', 'frontend', {
      selector: { app: 'frontend' },
      ports: [{ name: 'http', port: 80, targetPort: plan.frontend }],
    }),
    resource('v1', 'Service', 'backend', {
      selector: { app: 'backend' },
      ports: [{ name: 'http', port: plan.backendService, targetPort: plan.backendService }],
    }),
  ];
  const entries = workloads.map(({ name, labels }) => {
    const http = plan.backends[name]?.envoy ?? plan.frontend;
    return resource(istio, 'WorkloadEntry', name, {
      address: '127.0.0.1',
      ports: { http },
      labels,
    });
  });
  const server = (number: number, protocol: 'HTTP' | 'HTTPS') => ({
    port: { number, name: protocol.toLowerCase(), protocol },
    bind: '127.0.0.1',
    hosts: ['*'],
  });
  const tls = { mode: 'SIMPLE', credentialName };
  const gateway = resource(istio, 'Gateway', 'gateway', {
    selector: ingress.labels,
    servers: [server(plan.http, 'HTTP'), { ...server(plan.https, 'HTTPS'), tls }],
  });
  return {
    'services.yaml': services.join('---\n'),
    'workloads.yaml': entries.join('---\n'),
    'gateway.yaml': gateway,
  };
}

function resource(apiVersion: string, kind: string, name: string, spec: object): string {
  return stringify({ apiVersion, kind, metadata: { name, namespace: 'default' }, spec });
}
