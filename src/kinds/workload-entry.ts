// WorkloadEntry of networking.istio.io, alone or inline as an endpoint of a ServiceEntry.
import type { z } from 'zod';
import { map, message, named } from './schema.js';
import { labels, port, string, uint32 } from './values.js';

/** Opening of the page in docs/kinds/. */
export const workloadEntryDoc = [
  'One workload, such as a process on a machine. Services and ServiceEntries of its namespace',
  'that select its labels have it as an endpoint.',
].join('\n');

/** The spec of a WorkloadEntry. */
export const workloadEntrySpec = message({
  address: string.describe('IP address, host name, or unix:// path of the endpoint'),
  ports: named('map of ports', map(port)).describe('name of the service port -> port here'),
  labels: labels.describe('labels of the workload: selectors and subsets'),
  network: string.describe(
    'network of the endpoint, for subsets and failoverPriority; all endpoints are called directly, without gateways between networks',
  ),
  locality: string.describe('region/zone/subzone of the endpoint'),
  weight: uint32.describe('load_balancing_weight'),
  serviceAccount: string.describe('service account of the workload'),
});

export type WorkloadEntrySpec = z.output<typeof workloadEntrySpec>;
