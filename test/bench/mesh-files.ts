// The mesh of the benchmark, as files: services of two versions each, with routing rules, and the edits to measure.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MeshFilesOptions {
  directory: string;
  services: number;
  /** Services a namespace, which nobody else sees (exportTo `.`); 0: all in one namespace, everybody sees all. */
  scoped: number;
}

/** One file a service, so that an edit touches one of many files. */
export class MeshFiles {
  readonly directory: string;
  readonly services: number;
  readonly #scoped: number;
  #salt = 0;

  constructor({ directory, services, scoped }: MeshFilesOptions) {
    this.directory = directory;
    this.services = services;
    this.#scoped = scoped;
    mkdirSync(directory, { recursive: true });
    for (let i = 0; i < services; i++) this.#write(i, {});
  }

  /** Each edit replaces one file by rename, as editors and config tools do. */
  readonly edits = {
    endpoint: (i = 8) => this.#write(i, { address: `10.9.0.${1 + (this.#salt % 200)}` }),
    weight: (i = 7) => this.#write(i, { weight: 20 + (this.#salt % 50) }),
    subset: (i = 9) => this.#write(i, { connections: 100 + (this.#salt % 1000) }),
    service: () => this.#write(this.services + (this.#salt % 100), {}),
    same: (i = 11) => this.#write(i, {}),
  } satisfies Record<string, (i?: number) => void>;

  /** The node of a sidecar beside the first version of service `i`. */
  node(i: number): object {
    const namespace = this.#namespace(i);
    const ip = address(1, i);
    return {
      id: `sidecar~${ip}~service-${i}-v1.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `service-${i}`,
      metadata: {
        fields: { INSTANCE_IPS: { stringValue: ip }, NAMESPACE: { stringValue: namespace } },
      },
    };
  }

  #namespace(i: number): string {
    // A service more is one of the first namespace, which has sidecars.
    return this.#scoped === 0
      ? 'default'
      : `team-${Math.floor((i % this.services) / this.#scoped)}`;
  }

  #write(i: number, change: Change): void {
    this.#salt++;
    const path = join(this.directory, `service-${i}.yaml`);
    const scope = { namespace: this.#namespace(i), exported: this.#scoped === 0 };
    writeFileSync(`${path}.tmp`, serviceText(i, scope, change));
    renameSync(`${path}.tmp`, path);
  }
}

interface Change {
  weight?: number;
  /** Of the second version, beside which there is no sidecar. */
  address?: string;
  connections?: number;
}

function address(version: number, i: number): string {
  return `10.${version}.${Math.floor(i / 250)}.${1 + (i % 250)}`;
}

function serviceText(
  i: number,
  { namespace, exported }: { namespace: string; exported: boolean },
  { weight = 90, address: second, connections = 1000 }: Change,
): string {
  const name = `service-${i}`;
  const exportTo = exported ? '' : '\n  exportTo: ["."]';
  const annotations = exported ? '' : ', annotations: { networking.istio.io/exportTo: "." }';
  const workload = (version: number, ip: string) => `---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}-v${version}, namespace: ${namespace} }
spec:
  address: ${ip}
  locality: region-1/zone-${version}
  labels: { app: ${name}, version: v${version} }
`;
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace}${annotations} }
spec:
  clusterIP: 240.${240 + Math.floor(i / 62_500)}.${Math.floor(i / 250) % 250}.${1 + (i % 250)}
  selector: { app: ${name} }
  ports:
    - { name: http, port: 8080 }
${workload(1, address(1, i))}${workload(2, second ?? address(2, i))}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  host: ${name}${exportTo}
  trafficPolicy:
    connectionPool:
      tcp: { maxConnections: ${connections} }
      http: { http2MaxRequests: 1000, maxRequestsPerConnection: 10 }
    outlierDetection: { consecutive5xxErrors: 7, interval: 30s, baseEjectionTime: 120s }
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  hosts: [${name}]${exportTo}
  http:
    - route:
        - { destination: { host: ${name}, subset: v1 }, weight: ${weight} }
        - { destination: { host: ${name}, subset: v2 }, weight: ${100 - weight} }
`;
}
