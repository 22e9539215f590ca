// Findings of all stages point at the field at fault: the place that an editor opens.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { gatewayConflicts, loadOffline, offlineProblems } from '../../src/cli/offline.js';

/** Each `# <- AT: CODE` is expected in its line at AT; what is not marked must not be found. */
const text = `
apiVersion: v1
kind: Service
metadata:
  name: a
  annotations:
    networking.istio.io/exportThree: x # <- networking: unknown-annotation
spec:
  selector: {app: a}
  ports:
    - {name: http, port: 80}
    - {name: odd, port: 81} # <- {name: undeclared-protocol
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: w}
spec: {address: 10.0.0.1, labels: {app: a, version: v1}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a}
spec:
  host: a
  trafficPolicy:
    portLevelSettings:
      - port:
          number: 99 # <- 99: unknown-port
        tls:
          mode: SIMPLE
          credentialName: c # <- c: ineffective-setting
  subsets:
    - name: v9
      labels: {version: v9} # <- {version: empty-subset
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  gateways:
    - mesh
    - edge # <- edge: unknown-gateway
  http:
    - match:
        - uri: {prefix: /x}
        - uri: {prefix: /x/y} # <- uri: ineffective-match
      route:
        - destination:
            host: a
            port:
              number: 70 # <- 70: unknown-port
            subset: v7 # <- v7: unknown-subset
    - route:
        - destination:
            host: nowhere # <- nowhere: unknown-host
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ["*"]
    - port:
        number: 80
        name: tcp
        protocol: TCP # <- TCP: gateway-conflict
      hosts: ["*"]
    - port: {number: 443, name: https, protocol: HTTPS}
      hosts: ["*"]
      tls:
        mode: SIMPLE
        credentialName: gone # <- gone: invalid-credential
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: s}
spec:
  workloadSelector:
    labels: {app: nobody} # <- {app: unmatched-selector
  egress:
    - hosts:
        - ./*
        - "*/gone.example.com" # <- "*: unknown-host
`;

function expected(): string[] {
  return text.split('\n').flatMap((line, i) => {
    const [, at, code] = /# <- (\S+): (\S+)$/.exec(line) ?? [];
    return at === undefined
      ? []
      : [`${i + 1}:${line.lastIndexOf(at, line.indexOf(' # <-')) + 1} ${code}`];
  });
}

t.test('places', async (t) => {
  const directory = t.testdir();
  writeFileSync(join(directory, 'mesh.yaml'), text);
  const offline = await loadOffline(directory);
  const found = offlineProblems(offline, gatewayConflicts(offline)).map(
    ({ code, position }) => `${position?.line}:${position?.col} ${code}`,
  );
  t.strictSame(found.sort(), expected().sort());
});
