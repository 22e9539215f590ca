// DestinationRule of networking.istio.io: the schema of its spec. Its traffic policy is in traffic-policy.ts; the
// rules that need more than one field are in destination-rule-check.ts.
import type { z } from 'zod';
import { list, message } from './schema.js';
import { trafficPolicy } from './traffic-policy.js';
import { labels, string, strings } from './values.js';

const subset = message(
  {
    name: string.describe('third part of the cluster name outbound|PORT|NAME|HOST'),
    labels: labels.describe('endpoints of the subset have these labels'),
    trafficPolicy: trafficPolicy.describe('each section given replaces that of the host'),
  },
  'name',
);

/** Opening of the page in docs/kinds/. */
export const destinationRuleDoc = [
  'What happens to traffic after routing: load balancing, connection limits, ejection of bad',
  'endpoints, and the subsets that routes name. Rules are looked up in the namespace of the',
  'client, then of the service, then in the root namespace.',
].join('\n');

/** The spec of a DestinationRule. */
export const destinationRuleSpec = message(
  {
    host: string.describe('the service; *.suffix for many, the most specific counts'),
    trafficPolicy: trafficPolicy.describe('for all subsets and ports of the host'),
    subsets: list(subset).describe('one more cluster each'),
    exportTo: strings.describe('namespaces that see it: `.`, `*` or names'),
    workloadSelector: message({
      matchLabels: labels.describe('labels of the client proxies, of the own namespace'),
    }).describe('client proxies to which it applies, before rules without one'),
  },
  'host',
);

export type DestinationRuleSpec = z.output<typeof destinationRuleSpec>;
