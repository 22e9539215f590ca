// A proxy's generated configuration for people and tools: canonical protobuf JSON by type.
import { toJson } from './envoy/codec.js';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
} from './envoy/resource.js';
import type { ProxyConfiguration } from './status/state.js';

/** The four types that operators look at, each in the order sent. */
export function toConfiguration(resources: ResourcesByType): ProxyConfiguration {
  const json = (typeUrl: TypeUrl) =>
    [...(resources.get(typeUrl)?.values() ?? [])].map((message) => toJson(typeUrl, message));
  return {
    clusters: json(CLUSTER),
    endpoints: json(ENDPOINT),
    listeners: json(LISTENER),
    routes: json(ROUTE),
  };
}
