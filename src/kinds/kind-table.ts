// The table of kinds: what fairlead reads, what it will read later, and where each keeps its spec. Recognising
// and checking a document is registry.ts.
import type { z } from 'zod';
import { destinationRuleSpec } from './destination-rule.js';
import { endpointSliceSpec } from './endpoint-slice.js';
import { endpointsSpec } from './endpoints.js';
import type { Check } from './finding.js';
import { meshConfigSpec } from './mesh-config.js';
import { serviceSpec } from './service.js';
import { serviceEntrySpec } from './service-entry.js';
import { virtualServiceSpec } from './virtual-service.js';
import { workloadEntrySpec } from './workload-entry.js';

/** One kind of resource. */
export interface KindEntry<Schema extends z.ZodType = z.ZodType> {
  kind: string;
  /** `group/version`, or `v1` for Kubernetes' core group. */
  apiVersions: readonly string[];
  scope: 'namespaced' | 'mesh';
  /** Absent: a kind of the API that fairlead knows by name only. */
  schema?: Schema;
  /** Rules beyond the schema; called with a spec that has passed it. */
  check?: Check<z.output<Schema>>;
  /** `spec`: the field of that name. `top-level`: the fields of the schema stand beside `metadata`. */
  specAt: 'spec' | 'top-level';
  /** Opening lines of the page in docs/kinds/. */
  doc?: string;
}
