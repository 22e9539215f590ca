// WorkloadGroup of networking.istio.io: what sidecars that name it are registered as (mesh/workload-group.ts). The
// rules that need more than one field are in workload-group-check.ts.
import type { z } from 'zod';
import { notImplemented } from './field.js';
import { enumeration, list, message } from './schema.js';
import { int32, labels, port, string, stringMap, strings } from './values.js';
import { workloadEntrySpec } from './workload-entry.js';

/** Opening of the page in docs/kinds/. */
export const workloadGroupDoc = [
  'Workloads of one sort, such as the instances of a service on machines. A sidecar whose node metadata',
  'has `AUTO_REGISTER_GROUP` (`fairlead bootstrap --workload-group`) is a WorkloadEntry of its namespace,',
  '`GROUP-IP` or `GROUP-IP-NETWORK`, while it is connected and 10 s beyond, and well by the `probe`. Nothing is written anywhere;',
  'a WorkloadEntry of that name that somebody wrote counts instead.',
].join('\n');

const host = string.describe(
  'IP address to connect to, or localhost; by default the first address of the workload',
);

const asked = port.describe('port to connect to');

const noCommands =
  'A workload of the group counts as without a probe. The probe is run by Envoy, which runs no commands.';

const probe = message({
  initialDelaySeconds: int32.describe(
    'from when a new sidecar came to the first probe; not waited for in the first 45 s of a control plane',
  ),
  timeoutSeconds: int32.describe('time for an answer; 1'),
  periodSeconds: int32.describe('from one probe to the next; 10'),
  successThreshold: int32.describe(
    'successes until it is well again; 1. The first result counts at once',
  ),
  failureThreshold: int32.describe('failures until it is not well; 1'),
  httpGet: message(
    {
      path: string.describe('/ where absent'),
      port: asked,
      host,
      scheme: enumeration(['HTTP', 'HTTPS']).describe(
        'HTTP; of HTTPS the certificate is not verified',
      ),
      httpHeaders: list(
        message({
          name: string.describe('name of the header'),
          value: string.describe('its value, as it is'),
        }),
      ).describe('headers of the request; Host is the authority'),
    },
    'port',
  ).describe('well with a status from 200 to 399; redirects are not followed'),
  tcpSocket: message({ host, port: asked }, 'port').describe('well when it takes a connection'),
  exec: notImplemented(message({ command: strings }, 'command'), noCommands),
  grpc: message({
    port: asked,
    service: string.describe('of the question; none where absent'),
  }).describe(
    'well when grpc.health.v1.Health/Check says SERVING; any other answer counts at once',
  ),
});

/** The spec of a WorkloadGroup. */
export const workloadGroupSpec = message(
  {
    metadata: message({
      labels: labels.describe('labels of its workloads; those that a sidecar says itself win'),
      annotations: stringMap.describe('annotations of its workloads'),
    }).describe('what its workloads have in common'),
    template: workloadEntrySpec.describe(
      'its workloads but for their address; network and locality are those of the sidecar where it says them',
    ),
    probe: probe.describe(
      'run by the Envoy of each workload (HDS); a workload is called when it has succeeded',
    ),
  },
  'template',
);

export type WorkloadGroupSpec = z.output<typeof workloadGroupSpec>;
