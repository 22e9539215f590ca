// PolicyTargetReference: what a policy is for, instead of workloads selected by labels.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { message } from './schema.js';
import { string } from './values.js';

/** One target; only Gateways of Kubernetes' Gateway API are there off a cluster. */
export const targetRef = message(
  {
    group: string.describe('gateway.networking.k8s.io'),
    kind: string.describe('Gateway; other kinds are of waypoints, and match no proxy'),
    name: string.describe('name of the Gateway, in the namespace of the policy'),
    namespace: noEffect(string, 'A target is of the same namespace.'),
  },
  'kind',
  'name',
);

export type TargetRef = z.output<typeof targetRef>;
