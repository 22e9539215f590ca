// BackendTLSPolicy of gateway.networking.k8s.io: TLS from gateways and sidecars to the servers of a Service.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { localRef } from './gateway-api-values.js';
import { enumeration, list, message } from './schema.js';
import { string, stringMap } from './values.js';

/** Opening of the page in docs/kinds/. */
export const backendTlsPolicyDoc = [
  'BackendTLSPolicy of the Gateway API: connections to the Service are TLS, and its certificate is checked. A',
  'DestinationRule of the same host goes before it where it has a trafficPolicy.',
].join('\n');

/** The spec of a BackendTLSPolicy. */
export const backendTlsPolicySpec = message(
  {
    targetRefs: list(
      message(
        {
          group: string.describe('empty for the core group'),
          kind: string.describe('Service'),
          name: string.describe('name of the Service, of the same namespace'),
          sectionName: string.describe('name of one port; all ports when absent'),
        },
        'kind',
        'name',
      ),
    ).describe('what it is for'),
    validation: message(
      {
        caCertificateRefs: list(localRef).describe('one ConfigMap, with CAs in ca.crt'),
        wellKnownCACertificates: enumeration(['System']).describe('CAs that the machine trusts'),
        hostname: string.describe('SNI, and the name that the certificate must have'),
        subjectAltNames: list(
          message(
            {
              type: enumeration(['Hostname', 'URI']).describe('which of the two it is'),
              hostname: string.describe('a host name'),
              uri: string.describe('a URI, such as a SPIFFE id'),
            },
            'type',
          ),
        ).describe('names that the certificate may have, instead of hostname'),
      },
      'hostname',
    ).describe('what the certificate must be'),
    options: noEffect(stringMap, 'There are no options.'),
  },
  'targetRefs',
  'validation',
);

export type BackendTlsPolicySpec = z.output<typeof backendTlsPolicySpec>;
