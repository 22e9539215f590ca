// The problem of two services that call one port of a workload by different protocols: found beforehand by analyze, and
// by translation for a workload that is there; both say the same, so that it is shown once.
import type { Problem } from '../kinds/problem.js';
import { portPath } from './port-path.js';
import type { Service, ServicePort } from './service.js';

/** `first` is the older one, whose protocol counts; `target` is the port of the workload. */
export function inboundConflict(
  first: { service: Service; port: ServicePort; target: number | string },
  other: { service: Service; port: ServicePort },
): Problem {
  return {
    code: 'protocol-conflict',
    severity: 'warning',
    istio: 'IST0116',
    message:
      `${other.service.hostname} calls port ${first.target} of a workload ` +
      `${other.port.protocol}, but the older ${first.service.hostname} calls it ` +
      `${first.port.protocol}, which counts`,
    resource: other.service.source,
    path: portPath(other.service, other.port),
  };
}
