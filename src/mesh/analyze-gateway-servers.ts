// Findings about single servers of Gateways that need no router to be connected: certificates that are nowhere, and
// ports that the gateway's Service does not have. Which of two servers gets a port is known at a router only
// (translate/gateway-plan.ts).
import type { Problem } from '../kinds/problem.js';
import type { Gateway, GatewayServer } from './gateway.js';
import { hasLabels } from './has-labels.js';
import type { Mesh } from './mesh.js';
import type { Service } from './service.js';

/** Findings about the servers of Istio's Gateways; those of the Gateway API have a status of their own. */
export function analyzeGatewayServers(mesh: Mesh): Problem[] {
  const secrets = new Set(mesh.parts.sorted.Secret.sorted.map(({ name }) => name));
  return mesh.gateways
    .filter(({ source }) => source.kind === 'Gateway')
    .flatMap((gateway) => {
      const services = mesh.services.filter((service) => leadsTo(service, gateway));
      return gateway.servers.flatMap((server) => [
        ...missingSecrets(gateway, server, secrets),
        ...missingPort(gateway, server, services),
      ]);
    });
}

const fields = ['credentialName', 'credentialNames', 'caCertCredentialName'] as const;

/** Said in the same words as at a router, where it is an error too: the two are one problem. */
function missingSecrets(
  { source }: Gateway,
  { tls, path }: GatewayServer,
  secrets: ReadonlySet<string>,
): Problem[] {
  if (!tls || tls.mode === 'PASSTHROUGH' || tls.mode === 'AUTO_PASSTHROUGH') return [];
  for (const field of fields) {
    const names = [tls[field] ?? []].flat();
    const missing = names.find(
      (name) => name !== '' && !name.includes('://') && !secrets.has(name),
    );
    if (missing === undefined) continue;
    const message = `the server is not served: there is no Secret ${missing}`;
    const at = [...path, 'tls', field];
    return [{ code: 'invalid-credential', severity: 'error', message, resource: source, path: at }];
  }
  return [];
}

/** Whether a Service selects every workload that the Gateway selects. */
function leadsTo({ selector }: Service, { selector: { labels } }: Gateway): boolean {
  return selector !== undefined && Object.keys(selector).length > 0 && hasLabels(labels, selector);
}

function missingPort(
  { source }: Gateway,
  { port, path }: GatewayServer,
  services: readonly Service[],
): Problem[] {
  const [first] = services;
  if (first === undefined) return [];
  if (services.some(({ ports }) => ports.some(({ number }) => number === port.number))) return [];
  return [
    {
      code: 'gateway-port-not-in-service',
      severity: 'warning',
      message: `the Service ${first.name}.${first.namespace} of the gateway has no port ${port.number}`,
      resource: source,
      path: [...path, 'port', 'number'],
    },
  ];
}
