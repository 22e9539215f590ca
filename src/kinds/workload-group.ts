// WorkloadGroup of networking.istio.io: what sidecars that name it are registered as (mesh/workload-group.ts). The
// rules that need more than one field are in workload-group-check.ts.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, message } from './schema.js';
import { int32, labels, port, string, stringMap, strings } from './values.js';
import { workloadEntrySpec } from './workload-entry.js';

/** Opening of the page in docs/kinds/. */
export const workloadGroupDoc = [
  'Workloads of one sort, such as the instances of a service on machines. A sidecar whose node metadata',
  'has `AUTO_REGISTER_GROUP` (`fairlead bootstrap --workload-group`) is a WorkloadEntry of its namespace,',
  '`GROUP-IP` or `GROUP-IP-NETWORK`, while it is connected and 10 s beyond. Nothing is written anywhere;',
  'a WorkloadEntry of that name that somebody wrote counts instead.',
].join('\n');

const byAgent =
  "Istio's agent on the machine runs probes; here a workload counts as ready while its sidecar is connected";

const probe = message({
  initialDelaySeconds: int32,
  timeoutSeconds: int32,
  periodSeconds: int32,
  successThreshold: int32,
  failureThreshold: int32,
  httpGet: message(
    {
      path: string,
      port,
      host: string,
      scheme: enumeration(['HTTP', 'HTTPS']),
      httpHeaders: list(message({ name: string, value: string })),
    },
    'port',
  ),
  tcpSocket: message({ host: string, port }, 'port'),
  exec: message({ command: strings }, 'command'),
  grpc: message({ port, service: string }),
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
    probe: noEffect(probe, byAgent),
  },
  'template',
);

export type WorkloadGroupSpec = z.output<typeof workloadGroupSpec>;
