// The mesh of the benchmark, as files: services of two versions each, with routing rules, and the edits to measure.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One file a service, so that an edit touches one of many files. */
export class MeshFiles {
  readonly directory: string;
  readonly services: number;
  #salt = 0;

  constructor(directory: string, services: number) {
    this.directory = directory;
    this.services = services;
    mkdirSync(directory, { recursive: true });
    for (let i = 0; i < services; i++) this.#write(i, {});
  }

  /** Each edit replaces one file by rename, as editors and config tools do. */
  readonly edits: Readonly<Record<string, () => void>> = {
    'weights of a VirtualService': () => this.#write(7, { weight: 20 + (this.#salt % 50) }),
    'address of an endpoint': () => this.#write(8, { address: `10.9.0.${1 + (this.#salt % 200)}` }),
    'limits of a DestinationRule': () => this.#write(9, { connections: 100 + this.#salt }),
    'a service more': () => this.#write(this.services + this.#salt, {}),
    'the same bytes again': () => this.#write(11, {}),
  };

  #write(i: number, change: { weight?: number; address?: string; connections?: number }): void {
    this.#salt++;
    const path = join(this.directory, `service-${i}.yaml`);
    writeFileSync(`${path}.tmp`, serviceText(i, change));
    renameSync(`${path}.tmp`, path);
  }
}

function serviceText(
  i: number,
  {
    weight = 90,
    address,
    connections = 1000,
  }: { weight?: number; address?: string; connections?: number },
): string {
  const name = `service-${i}`;
  const workload = (version: number, ip: string) => `---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}-v${version} }
spec:
  address: ${ip}
  labels: { app: ${name}, version: v${version} }
`;
  return `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  clusterIP: 240.${240 + Math.floor(i / 62_500)}.${Math.floor(i / 250) % 250}.${1 + (i % 250)}
  selector: { app: ${name} }
  ports:
    - { name: http, port: 8080 }
${workload(1, address ?? `10.1.${Math.floor(i / 250)}.${1 + (i % 250)}`)}${workload(2, `10.2.${Math.floor(i / 250)}.${1 + (i % 250)}`)}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name} }
spec:
  host: ${name}
  trafficPolicy:
    connectionPool: { tcp: { maxConnections: ${connections} } }
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${name}]
  http:
    - route:
        - { destination: { host: ${name}, subset: v1 }, weight: ${weight} }
        - { destination: { host: ${name}, subset: v2 }, weight: ${100 - weight} }
`;
}
