// Gateway, GatewayClass and ListenerSet of gateway.networking.k8s.io. Which are in force, and what of them is wrong
// with regard to other resources, is decided in the mesh (gateway-api/).
import type { z } from 'zod';
import { noEffect, notImplemented } from './field.js';
import { namespaceChoice, objectRef, secretRef } from './gateway-api-values.js';
import { enumeration, list, message } from './schema.js';
import { port, string, stringMap } from './values.js';

const deployed = 'Nothing is deployed here; the labels of a router say which Gateway it is for.';
const parameters = 'There is nothing about fairlead that a class could say.';

const allowedRoutes = message({
  namespaces: namespaceChoice('routes').describe('Same when absent'),
  kinds: list(
    message(
      {
        group: string.describe('gateway.networking.k8s.io when absent'),
        kind: string.describe('HTTPRoute, GRPCRoute, TLSRoute or TCPRoute'),
      },
      'kind',
    ),
  ).describe('kinds of routes; all that the protocol can have when absent'),
});

const listenerFields = {
  name: string.describe('what sectionName of routes refers to'),
  hostname: string.describe('host that is served, `*.` before it for all below; any when absent'),
  port: port.describe('port of the Service of the gateway, or of the listener'),
  protocol: string.describe('HTTP, HTTPS, TLS or TCP'),
  tls: message({
    mode: enumeration(['Terminate', 'Passthrough']).describe(
      'TLS ends here, or is passed on by SNI; Terminate when absent',
    ),
    certificateRefs: list(secretRef).describe('Secrets with certificates; at most two'),
    options: stringMap.describe(
      'gateway.istio.io/tls-terminate-mode: MUTUAL, OPTIONAL_MUTUAL or ISTIO_MUTUAL; ' +
        'gateway.istio.io/tls-cipher-suites: a list',
    ),
  }).describe('TLS towards clients, for HTTPS and TLS'),
  allowedRoutes: allowedRoutes.describe('routes that may be attached'),
};

const listener = message(listenerFields, 'name', 'port', 'protocol');

const validation = message({
  validation: message(
    {
      caCertificateRefs: list(objectRef).describe('a ConfigMap or a Secret with ca.crt'),
      mode: enumeration(['AllowValidOnly', 'AllowInsecureFallback']).describe(
        'whether clients without a valid certificate are let in',
      ),
    },
    'caCertificateRefs',
  ).describe('what certificates of clients must be'),
});

/** Opening of the page in docs/kinds/. */
export const kubernetesGatewayDoc = [
  'Gateway of the Gateway API: listeners of the routers that have the label',
  '`gateway.networking.k8s.io/gateway-name: NAME` in its namespace, or that a Service named under `addresses` selects.',
  'Classes `istio` and `fairlead`, and those whose controller is `istio.io/gateway-controller` or',
  '`fairlead.io/gateway-controller`, are in force; others are left alone. See docs/gateway-api.md.',
].join('\n');

/** The spec of a Gateway. */
export const kubernetesGatewaySpec = message(
  {
    gatewayClassName: string.describe('class; `istio` and `fairlead` need no GatewayClass'),
    listeners: list(listener).describe('ports that are opened'),
    addresses: list(
      message({
        type: string.describe('IPAddress when absent; Hostname for the name of a Service'),
        value: string.describe('the address'),
      }),
    ).describe('a Service whose workloads are the routers; IP addresses go into the status'),
    infrastructure: noEffect(
      message({
        labels: stringMap,
        annotations: stringMap,
        parametersRef: message({ group: string, kind: string, name: string }),
      }),
      deployed,
    ),
    allowedListeners: notImplemented(
      message({ namespaces: namespaceChoice('ListenerSets') }).describe('who may add listeners'),
      'ListenerSets are not read yet.',
    ),
    tls: message({
      backend: notImplemented(
        message({ clientCertificateRef: secretRef }).describe('certificate towards backends'),
        'Use a DestinationRule with mode MUTUAL and credentialName.',
      ),
      frontend: message({
        default: validation.describe('for all ports'),
        perPort: list(
          message(
            { port: port.describe('the port'), tls: validation.describe('what holds there') },
            'port',
            'tls',
          ),
        ).describe('for one port, instead'),
      }).describe('certificates of clients'),
    }).describe('TLS of all listeners'),
    defaultScope: notImplemented(
      enumeration(['All', 'None']).describe('routes without a parent are attached'),
      'A route names its parents; there are no default Gateways.',
    ),
  },
  'gatewayClassName',
  'listeners',
);

/** Opening of the page in docs/kinds/. */
export const gatewayClassDoc = [
  'GatewayClass of the Gateway API: says which controller Gateways of the class are for.',
].join('\n');

/** The spec of a GatewayClass. */
export const gatewayClassSpec = message(
  {
    controllerName: string.describe(
      'istio.io/gateway-controller or fairlead.io/gateway-controller; others are left alone',
    ),
    description: string.describe('a text for people'),
    parametersRef: noEffect(
      message({ group: string, kind: string, name: string, namespace: string }),
      parameters,
    ),
  },
  'controllerName',
);

/** Opening of the page in docs/kinds/. */
export const listenerSetDoc = [
  'ListenerSet of the Gateway API: more listeners of a Gateway, owned by others. Accepted, and not acted on yet.',
].join('\n');

/** The spec of a ListenerSet. */
export const listenerSetSpec = message({
  parentRef: notImplemented(
    message({ group: string, kind: string, name: string, namespace: string }, 'name'),
    'ListenerSets are not read yet; write the listeners into the Gateway.',
  ),
  listeners: notImplemented(
    list(listener),
    'ListenerSets are not read yet; write the listeners into the Gateway.',
  ),
});

export type KubernetesGatewaySpec = z.output<typeof kubernetesGatewaySpec>;
export type Listener = KubernetesGatewaySpec['listeners'][number];
export type GatewayClassSpec = z.output<typeof gatewayClassSpec>;
