// The forms of values that the kinds of Kubernetes' Gateway API have in common: durations, references to parents,
// backends and other objects, filters on headers. What references lead to is resolved in the mesh.
import { z } from 'zod';
import { parseDurationMs } from '../lib/duration.js';
import { notImplemented } from './field.js';
import { enumeration, list, message, named } from './schema.js';
import { int32, port, string, strings } from './values.js';

/** GEP-2257: up to four amounts, whole numbers of at most five digits. */
const durationForm = /^(?:\d{1,5}(?:h|m|s|ms)){1,4}$/;

/** A duration of the Gateway API; the parsed spec has it in ms. */
export const gatewayDuration = named(
  'duration',
  z.string().transform((text, context) => {
    const ms = durationForm.test(text) ? parseDurationMs(text) : undefined;
    if (ms !== undefined) return ms;
    context.addIssue({
      code: 'custom',
      message: `"${text.slice(0, 64)}" is not a duration such as 10s, 500ms or 1h30m`,
      params: { problem: 'wrong-type' },
    });
    return z.NEVER;
  }),
);

/** A reference to what a route is attached to. */
export const parentRef = message(
  {
    group: string.describe(
      'gateway.networking.k8s.io when absent; empty for a Service, which is traffic in the mesh',
    ),
    kind: string.describe('Gateway (when absent) or Service'),
    namespace: string.describe('that of the route when absent'),
    name: string.describe('name of the Gateway or the Service'),
    sectionName: string.describe('name of one listener; all that fit when absent'),
    port: port.describe('port of the listeners, or of the Service'),
  },
  'name',
);

/** Fields of all routes. */
export const routeFields = {
  parentRefs: list(parentRef).describe('what the route is attached to'),
  useDefaultGateways: notImplemented(
    enumeration(['All', 'None']).describe('attached to default Gateways'),
    'There are no default Gateways.',
  ),
};

const backendFields = {
  group: string.describe('core when absent; networking.istio.io for kind Hostname'),
  kind: string.describe('Service (when absent), or Hostname: a host of the registry, as in Istio'),
  name: string.describe('name of the Service'),
  namespace: string.describe('that of the route when absent; another one needs a ReferenceGrant'),
  port: port.describe('port of the Service'),
};

/** A backend that a filter names. */
export const backendObjectRef = message(backendFields, 'name');

const weight = named('integer 0-1000000', z.int().min(0).max(1_000_000)).describe(
  'share of the requests; 1 when absent',
);

/** A backend with its weight. */
export const backendRef = message({ ...backendFields, weight }, 'name');

/** A backend with its weight and filters of its own. */
export function backendRefWith<F extends z.ZodType>(filter: F) {
  return message(
    {
      ...backendFields,
      weight,
      filters: list(filter).describe('for requests that go to this backend'),
    },
    'name',
  );
}

/** A reference to a Secret. */
export const secretRef = message(
  {
    group: string.describe('core when absent'),
    kind: string.describe('Secret when absent'),
    name: string.describe('name of the Secret'),
    namespace: string.describe('that of the Gateway when absent; another needs a ReferenceGrant'),
  },
  'name',
);

/** A reference to an object of any kind of the same namespace. */
export const localRef = message(
  {
    group: string.describe('empty for the core group'),
    kind: string.describe('the kind'),
    name: string.describe('the name'),
  },
  'kind',
  'name',
);

/** A reference to an object of any kind and namespace. */
export const objectRef = message(
  {
    group: string.describe('empty for the core group'),
    kind: string.describe('the kind'),
    name: string.describe('the name'),
    namespace: string.describe('that of the Gateway when absent; another needs a ReferenceGrant'),
  },
  'kind',
  'name',
);

const header = message(
  { name: string.describe('its name'), value: string.describe('its value') },
  'name',
  'value',
);

/** Operations on headers. */
export const headerModifier = message({
  set: list(header).describe('headers that get this value, whatever they had'),
  add: list(header).describe('values that are added'),
  remove: strings.describe('headers that are taken away'),
});

/** Where copies of requests go, and how many. */
export const mirrorFilter = message(
  {
    backendRef: backendObjectRef.describe('where the copies go'),
    percent: named('integer 0-100', z.int().min(0).max(100)).describe(
      'how many requests are copied; all when absent',
    ),
    fraction: message(
      {
        numerator: int32.describe('so many'),
        denominator: int32.describe('of so many; 100 when absent'),
      },
      'numerator',
    ).describe('how many, more finely: numerator out of denominator (100)'),
  },
  'backendRef',
);

/** Requests of one session go to one backend. */
export const sessionPersistence = message({
  sessionName: string.describe('name of the cookie or header (older form of cookie.name)'),
  type: enumeration(['Cookie', 'Header']).describe('where the session is kept; Cookie when absent'),
  absoluteTimeout: gatewayDuration.describe('life of a permanent cookie'),
  idleTimeout: notImplemented(
    gatewayDuration.describe('longest time without a request'),
    'Envoy keeps no state of sessions to expire.',
  ),
  cookieConfig: message({
    lifetimeType: enumeration(['Session', 'Permanent']).describe(
      'until the client ends, or for absoluteTimeout',
    ),
  }).describe('older form of cookie'),
  cookie: message({
    name: string.describe('name of the cookie'),
    path: string.describe('path of the cookie; / when absent'),
    lifetimeType: enumeration(['Session', 'Permanent']).describe(
      'until the client ends, or for absoluteTimeout',
    ),
  }).describe('the cookie'),
  header: message({ name: string.describe('name of the header') }, 'name').describe('the header'),
});

/** Which namespaces something may be in. */
export const namespaceChoice = (subject: string) =>
  message({
    from: enumeration(['All', 'Selector', 'Same', 'None']).describe(
      `namespaces that ${subject} may be in`,
    ),
    selector: message({
      matchLabels: named('map of strings', z.record(z.string(), z.string())).describe(
        'labels of Namespaces',
      ),
      matchExpressions: list(
        message(
          {
            key: string.describe('the label'),
            operator: string.describe('In, NotIn, Exists or DoesNotExist'),
            values: strings.describe('for In and NotIn'),
          },
          'key',
          'operator',
        ),
      ).describe('operators In, NotIn, Exists and DoesNotExist'),
    }).describe('which, with from: Selector'),
  });

export type ParentRef = z.output<typeof parentRef>;

export type BackendRef = z.output<typeof backendRef>;
export type BackendObjectRef = z.output<typeof backendObjectRef>;

export type HeaderModifier = z.output<typeof headerModifier>;

export type SessionPersistence = z.output<typeof sessionPersistence>;
export type NamespaceChoice = z.output<ReturnType<typeof namespaceChoice>>;
