// Who takes part in the demo: the same workloads as in examples/demo/config and docker-compose.yml (a test keeps them
// equal). Data only.
import { fileURLToPath } from 'node:url';

/** One workload: an app and its sidecar. */
export interface DemoWorkload {
  /** That of its WorkloadGroup, too. */
  name: 'frontend' | 'backend-v1' | 'backend-v2';
  /** Of its pod. */
  address: string;
  /** Those of its group. */
  labels: Readonly<Record<string, string>>;
  /** File in the app folder. */
  app: 'frontend.mjs' | 'backend.mjs';
}

export const workloads: readonly DemoWorkload[] = [
  { name: 'frontend', address: '10.143.15.10', labels: { app: 'frontend' }, app: 'frontend.mjs' },
  {
    name: 'backend-v1',
    address: '10.143.15.11',
    labels: { app: 'backend', version: 'v1' },
    app: 'backend.mjs',
  },
  {
    name: 'backend-v2',
    address: '10.143.15.12',
    labels: { app: 'backend', version: 'v2' },
    app: 'backend.mjs',
  },
];

/** The ingress gateway: an Envoy alone, at the ports of examples/demo/config/gateway.yaml. */
export const ingress = {
  name: 'ingressgateway',
  address: '10.143.15.9',
  labels: { istio: 'ingressgateway' },
  httpPort: 8080,
  httpsPort: 8443,
} as const;

/** The pods' network: the gateway's address with prefix length. */
export const gateway = '10.143.15.1/24';

/** The port that every demo app listens on. */
export const appPort = 8080;

/**
 * What the frontend's hosts file says of `backend`: the service's own address, which no machine
 * has.
 */
export const backendAddress = '240.240.0.10';

/** examples/demo of this checkout or installed package. */
export const demoDir = fileURLToPath(new URL('../../../examples/demo/', import.meta.url));
