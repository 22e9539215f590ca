// The catalogue of problem codes. Each has a line in docs/problems.md; a test keeps the two in step.

/** Code -> what it means, in one sentence for the docs. */
export const problemCodes = {
  // documents and schemas
  'yaml-syntax':
    'The file is not valid YAML or JSON; resources read from it earlier stay in force.',
  'too-large': 'The file, the document or its nesting is beyond a limit; it is not read.',
  'not-a-resource': 'A document is not a mapping with apiVersion, kind and metadata.name.',
  'unknown-kind': 'The kind is not one that fairlead reads; the document is skipped.',
  'unknown-field': 'The API has no such field.',
  'wrong-type': 'A value has the wrong type or form.',
  'invalid-value': 'A value is of the right type but not allowed here.',
  'missing-field': 'A field that must be given is missing.',
  'not-implemented': 'The API has the field, but fairlead does not act on it yet.',
  'no-effect': 'The API has the field, and like Istio, fairlead does nothing with it.',
  'unknown-annotation':
    'An annotation of Istio or fairlead that does not exist, or not for this kind.',
  deprecated: 'The field still works, but the API has a newer one in its place.',
  'duplicate-resource':
    'The same kind, namespace and name stands twice; the first in path order counts.',
  'file-unreadable': 'A file could not be read.',
  // the mesh
  'unknown-host': 'A destination names a host that no Service or ServiceEntry has.',
  'unknown-subset': 'A destination names a subset that no DestinationRule of the host defines.',
  'unknown-port': 'A destination names a port that the service does not have.',
  'port-required': 'A destination of a service with several ports must name one.',
  'duplicate-host': 'Two rules claim the same host; the oldest counts.',
  'unknown-delegate':
    'A route delegates to a VirtualService that does not exist or is not exported to it.',
  'unused-delegate': 'A VirtualService without hosts to which no other one delegates.',
  'delegate-conflict':
    'The matches of a delegate are not a part of those of the route that delegates to it.',
  'unreachable-rule':
    'Everything that a rule matches is taken by rules before it, so it is never used.',
  'ineffective-match':
    'What one match of a rule takes is taken by a match before it; the others of the rule count.',
  'unregistered-host': 'A VirtualService is for a host that no Service or ServiceEntry has.',
  'unknown-gateway': 'A VirtualService names a Gateway that does not exist.',
  'host-not-in-gateway': 'A VirtualService is bound to a Gateway that has none of its hosts.',
  'subset-not-for-gateway':
    'A route of a gateway leads to a service for which only sidecars are told a subset.',
  'gateway-port-not-in-service':
    'A server of a Gateway names a port that the Service of the gateway does not have.',
  'gateway-conflict':
    'Two servers of Gateways cannot share a port, or have the same host on it; the oldest counts.',
  'invalid-credential':
    'A server of a Gateway, or TLS to a service, has no usable certificate; it is not served, all others are.',
  'shared-certificate':
    'Two HTTPS servers on one port have the same certificate, so that a connection to one is used for the other.',
  'listener-not-accepted':
    'A listener of a Gateway of the Gateway API is not in force; its status says the same.',
  'route-not-accepted': 'A parent of a route of the Gateway API does not accept it.',
  'unresolved-ref':
    'A reference of the Gateway API leads to nothing, or no ReferenceGrant permits it.',
  'policy-not-accepted': 'A BackendTLSPolicy is not in force for one of its targets.',
  'unknown-namespace': 'exportTo names a namespace in which there is no resource.',
  'unmatched-selector': 'No workload that fairlead knows has the labels of the selector.',
  'duplicate-sidecar':
    'A namespace has two Sidecars without a workloadSelector; the oldest counts.',
  'sidecar-conflict': 'Two Sidecars select the same workload; the oldest counts.',
  'unverified-server':
    'TLS to a service accepts any certificate, or one of any name; anybody may answer.',
  'default-cas': 'Certificates are checked against the CAs that the machine of the client trusts.',
  'ineffective-setting': 'A setting counts only together with another one, which is not there.',
  'empty-subset': 'No endpoint of the service has the labels of the subset.',
  'no-endpoints': 'The selector of the service matches no workload, nor a WorkloadGroup.',
  'addresses-required':
    'A TCP port of a ServiceEntry without addresses takes all traffic of that port.',
  'service-entry-conflict':
    'Two ServiceEntries give one port of a host different protocols; the oldest counts.',
  'workload-conflict': 'One port of a workload stands behind different ports of two services.',
  'undeclared-protocol': 'The port declares no protocol; Envoy finds out by the first bytes.',
  'protocol-conflict': 'Two services want different protocols on one listener; the first counts.',
  'reserved-port':
    'A service without an address of its own uses a port of the sidecar itself; it gets no listener.',
  // EnvoyFilters
  'patch-matches-nothing':
    'A patch of an EnvoyFilter changes nothing at any proxy that is connected.',
  'patch-order':
    'A patch goes by a filter that another EnvoyFilter adds, and only age, if anything, puts that one first.',
  'patch-refused':
    'A patch of an EnvoyFilter would spoil a resource; it is left out there, others are applied.',
  // proxies
  'not-registered':
    'A sidecar names a WorkloadGroup, but cannot be registered as a workload of it.',
  nack: 'An Envoy refused a response; its last good configuration of that type stays in force there.',
  'refused-by-envoy':
    'An Envoy refused a resource; it is held back alone, its last good version stays in force.',
  'translation-failed':
    'A bug of ours: translating for a proxy failed; its last good configuration stays.',
} as const satisfies Record<string, string>;

export type ProblemCode = keyof typeof problemCodes;
