// Which user resources a resource of a gRPC client was made of, from its name: for NACKs (sources.ts).
import type { ResourceName } from '../../envoy/resource.js';
import type { ProxyView } from '../../mesh/proxy-view.js';
import type { ResourceId } from '../../mesh/rules.js';
import { rulesFor } from '../host-rules.js';
import { parseClusterName, parseGrpcServerListenerName } from '../names.js';
import { grpcListeners } from './listener.js';

/**
 * The services and rules behind a listener (`HOST:PORT`), or a cluster, route or assignment (`outbound|PORT|…|HOST`),
 * rules first.
 */
export function grpcSources(view: ProxyView, name: ResourceName): readonly ResourceId[] {
  const port = parseGrpcServerListenerName(name);
  if (port !== undefined) {
    const served = view.inbound.ports.filter(({ targetPort }) => targetPort === port);
    return served.map(({ service }) => service.source);
  }
  const host = parseClusterName(name)?.host;
  const { services, virtualServices } = view.outbound;
  const { dnsDomain } = view.proxy;
  return services
    .filter(({ service }) =>
      host === undefined
        ? grpcListeners(service, dnsDomain).some((listener) => listener.name === name)
        : service.hostname === host,
    )
    .flatMap(({ service, destinationRule }) => [
      ...rulesFor(virtualServices, service.hostname).map(({ source }) => source),
      ...(destinationRule?.sources ?? []),
      service.source,
    ]);
}
