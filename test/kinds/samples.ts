// One valid spec per kind that, together with the others of its kind, sets every field that fairlead acts on.

export const virtualServices: unknown[] = [
  {
    hosts: ['a'],
    http: [{ match: [{ uri: { prefix: '/b' } }], delegate: { name: 'b', namespace: 'c' } }],
  },
  {
    hosts: ['reviews', '*.example.com', '10.1.2.3'],
    gateways: ['mesh'],
    exportTo: ['.', 'other'],
    http: [
      {
        name: 'first',
        match: [
          {
            name: 'm',
            uri: { prefix: '/api' },
            scheme: { exact: 'http' },
            method: { regex: 'GET|POST' },
            authority: { prefix: 'reviews' },
            headers: { 'x-user': { exact: 'jason' }, ':path': {}, 'x-any': { regex: '*' } },
            withoutHeaders: { 'x-skip': {} },
            queryParams: { debug: { exact: '1' } },
            port: 8080,
            sourceLabels: { app: 'web' },
            sourceNamespace: 'front',
            gateways: ['mesh'],
            ignoreUriCase: true,
            statPrefix: 'api',
          },
        ],
        route: [
          {
            destination: { host: 'reviews', subset: 'v1', port: { number: 9080 } },
            weight: 90,
            headers: {
              request: {
                set: { Host: 'a.example.com' },
                add: { 'x-b': '%PROTOCOL%' },
                remove: ['c'],
              },
              response: { set: { a: '100%%' }, add: { b: '' }, remove: ['c'] },
            },
          },
          { destination: { host: 'reviews', subset: 'v2' }, weight: 10 },
        ],
        rewrite: { uri: '/v2', authority: 'reviews.example.com' },
        timeout: '1m0.5s',
        retries: {
          attempts: 3,
          perTryTimeout: '2s',
          retryOn: 'gateway-error,connect-failure,503',
          retryRemoteLocalities: true,
          retryIgnorePreviousHosts: false,
          backoff: '10ms',
        },
        fault: {
          delay: { fixedDelay: '5s', percentage: { value: 0.1 }, percent: 10 },
          abort: { httpStatus: 503, percentage: { value: 100 } },
        },
        mirror: { host: 'shadow' },
        mirrorPercentage: { value: 12.5 },
        corsPolicy: {
          allowOrigin: ['*'],
          allowOrigins: [{ exact: 'https://a.example' }, { regex: 'https://.*' }],
          allowMethods: ['GET'],
          allowHeaders: ['x-a'],
          exposeHeaders: ['*'],
          maxAge: '24h',
          allowCredentials: true,
          unmatchedPreflights: 'IGNORE',
        },
        headers: { request: { set: { 'x-c': '1' } } },
      },
      {
        match: [{ uri: { prefix: '/old' } }],
        redirect: { prefixRewrite: '/new', authority: 'b', port: 8443, scheme: 'https' },
      },
      { redirect: { uri: '/gone', derivePort: 'FROM_REQUEST_PORT', redirectCode: 308 } },
      { directResponse: { status: 200, body: { string: 'ok' } } },
      { directResponse: { status: 503, body: { bytes: 'b2s=' } } },
      {
        route: [{ destination: { host: 'reviews' } }],
        rewrite: { uriRegexRewrite: { match: '^/a/(\\d+)$', rewrite: '/b/\\1' } },
        mirrors: [{ destination: { host: 'shadow' }, percentage: { value: 1 } }],
        fault: { abort: { grpcStatus: 'UNAVAILABLE' } },
        mirrorPercent: 5,
        mirror_percent: 5,
      },
    ],
    tls: [
      {
        match: [
          {
            sniHosts: ['www.example.com'],
            destinationSubnets: ['10.0.0.1'],
            port: 443,
            sourceLabels: { app: 'web' },
            gateways: ['mesh'],
            sourceNamespace: 'front',
          },
        ],
        route: [{ destination: { host: 'secure' }, weight: 1 }],
      },
    ],
    tcp: [
      {
        match: [
          {
            destinationSubnets: ['10.0.0.0/8', '::1'],
            port: 3306,
            sourceLabels: { app: 'web' },
            sourceNamespace: 'front',
            gateways: ['mesh'],
          },
        ],
        route: [
          { destination: { host: 'db', subset: 'v1' }, weight: 1 },
          { destination: { host: 'db', subset: 'v2' }, weight: 2 },
        ],
      },
    ],
  },
];

const connectionPool = {
  tcp: {
    maxConnections: 100,
    connectTimeout: '30ms',
    tcpKeepalive: { probes: 3, time: '7200s', interval: '75s' },
    maxConnectionDuration: '1h',
    idleTimeout: '0s',
  },
  http: {
    http1MaxPendingRequests: 1,
    http2MaxRequests: 2,
    maxRequestsPerConnection: 3,
    maxRetries: 4,
    idleTimeout: '5s',
    h2UpgradePolicy: 'DO_NOT_UPGRADE',
    useClientProtocol: true,
    maxConcurrentStreams: 6,
    http2KeepAlive: { interval: '10s', timeout: '20s' },
  },
};

const outlierDetection = {
  splitExternalLocalOriginErrors: true,
  consecutiveLocalOriginFailures: 2,
  consecutiveGatewayErrors: 0,
  consecutive5xxErrors: 7,
  interval: '5m',
  baseEjectionTime: '15m',
  maxEjectionPercent: 50,
  minHealthPercent: 0,
  outlierDetectionHttpErrorCodes: [429],
};

const weights = { distribute: [{ from: 'a/*', to: { 'a/z1': 80, b: 20 } }], enabled: true };
const priorities = {
  failover: [{ from: 'a', to: 'b' }],
  failoverPriority: ['app', 'version=v1'],
};

export const destinationRules: unknown[] = [
  { host: 'a', trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'cas' } } },
  {
    host: 'a',
    workloadSelector: { matchLabels: { app: 'b' } },
    trafficPolicy: {
      tls: {
        mode: 'MUTUAL',
        clientCertificate: '/etc/certs/cert.pem',
        privateKey: '/etc/certs/key.pem',
        caCertificates: '/etc/certs/ca.pem',
        caCrl: '/etc/certs/crl.pem',
        subjectAltNames: ['a.example.com'],
        sni: 'a.example.com',
      },
      portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'DISABLE' } }],
      proxyProtocol: { version: 'V2' },
    },
  },
  {
    host: 'a',
    trafficPolicy: {
      tls: { mode: 'SIMPLE', insecureSkipVerify: true },
      tunnel: { protocol: 'CONNECT', targetHost: 'b.example.com', targetPort: 443 },
    },
  },
  {
    host: 'reviews.prod.svc.cluster.local',
    exportTo: ['*'],
    trafficPolicy: {
      loadBalancer: {
        simple: 'LEAST_REQUEST',
        localityLbSetting: priorities,
        warmup: { duration: '30s', minimumPercent: 10, aggression: 1.5 },
      },
      connectionPool,
      outlierDetection,
      retryBudget: { percent: 25.5, minRetryConcurrency: 10, budgetInterval: '100ms' },
      portLevelSettings: [
        {
          port: { number: 80 },
          loadBalancer: {
            consistentHash: { httpHeaderName: 'x-user', ringHash: { minimumRingSize: 64 } },
          },
          connectionPool: { tcp: { maxConnections: 5 } },
          outlierDetection: {},
        },
      ],
    },
    subsets: [
      { name: 'v1', labels: { version: 'v1' } },
      {
        name: 'v2',
        labels: { version: 'v2' },
        trafficPolicy: {
          loadBalancer: {
            consistentHash: {
              httpCookie: {
                name: 'user',
                path: '/',
                ttl: '0s',
                attributes: [{ name: 'SameSite', value: 'Strict' }],
              },
              maglev: { tableSize: 65537 },
            },
          },
        },
      },
      {
        name: 'v3',
        trafficPolicy: {
          loadBalancer: { consistentHash: { useSourceIp: true }, localityLbSetting: weights },
        },
      },
      {
        name: 'v4',
        trafficPolicy: {
          loadBalancer: {
            consistentHash: { httpQueryParameterName: 'q', minimumRingSize: 1024 },
            zoneAwareLbSetting: { enabled: true, minClusterSize: 6, ...priorities },
            warmupDurationSecs: '1m',
          },
        },
      },
    ],
  },
];

export const sidecars: unknown[] = [
  {
    workloadSelector: { labels: { app: 'a' } },
    ingress: [
      {
        port: { number: 9080, protocol: 'HTTP', name: 'http' },
        defaultEndpoint: 'unix:///var/run/app.sock',
        connectionPool,
      },
      {
        port: { number: 9443, protocol: 'HTTPS', name: 'https' },
        bind: '127.0.0.2',
        captureMode: 'NONE',
        defaultEndpoint: '127.0.0.1:9080',
        tls: {
          mode: 'MUTUAL',
          serverCertificate: '/etc/tls/tls.crt',
          privateKey: '/etc/tls/tls.key',
          caCertificates: '/etc/tls/ca.crt',
          caCrl: '/etc/tls/ca.crl',
          verifyCertificateSpki: ['NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A='],
          verifyCertificateHash: [
            'df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a',
          ],
          minProtocolVersion: 'TLSV1_2',
          maxProtocolVersion: 'TLSV1_3',
          cipherSuites: ['ECDHE-ECDSA-AES128-GCM-SHA256'],
          ecdhCurves: ['P-256'],
        },
      },
    ],
    egress: [
      {
        port: { number: 80, protocol: 'HTTP', name: 'web' },
        bind: '127.0.0.1',
        captureMode: 'NONE',
        hosts: ['prod/*'],
      },
      { hosts: ['./*', '*/*.example.com', '~istio-system/*'] },
    ],
    inboundConnectionPool: connectionPool,
    outboundTrafficPolicy: {
      mode: 'ALLOW_ANY',
      egressProxy: { host: 'proxy.example.com', subset: 'v1', port: { number: 3128 } },
    },
  },
];

export const serviceEntries: unknown[] = [
  {
    hosts: ['tls.example.com'],
    resolution: 'DNS',
    ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
    subjectAltNames: ['a.example.com'],
  },
  {
    hosts: ['db.example.com'],
    addresses: ['240.1.1.1', '10.0.0.0/24'],
    ports: [
      { number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 },
      { number: 3306, name: 'mysql', protocol: 'mysql' },
    ],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    endpoints: [
      {
        address: '10.0.0.1',
        ports: { http: 8081 },
        labels: { version: 'v1' },
        locality: 'eu/a/1',
        network: 'vm',
        weight: 5,
        serviceAccount: 'db',
      },
    ],
    exportTo: ['~'],
  },
  { hosts: ['x.example.com'], resolution: 'STATIC', workloadSelector: { labels: { app: 'db' } } },
  {
    hosts: ['*.example.com'],
    ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
    location: 'MESH_EXTERNAL',
  },
  {
    hosts: ['a.example.com', 'b.example.com'],
    ports: [{ number: 443, name: 'https', protocol: 'HTTPS' }],
    resolution: 'DNS',
  },
  {
    hosts: ['unix.local'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'STATIC',
    endpoints: [{ address: 'unix:///var/run/app.sock' }],
  },
  {
    hosts: ['lb.example.com'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'DNS_ROUND_ROBIN',
    endpoints: [{ address: 'real.example.com' }],
  },
];

export const workloadEntries: unknown[] = [
  {
    address: '10.0.0.7',
    ports: { http: 8080 },
    labels: { app: 'web', version: 'v1' },
    locality: 'eu/a',
    network: 'vm',
    weight: 2,
    serviceAccount: 'web',
  },
  { address: 'vm.example.com' },
  { address: 'unix://@abstract' },
];

export const workloadGroups: unknown[] = [
  {
    metadata: { labels: { app: 'web' }, annotations: { team: 'a' } },
    template: {
      address: '10.0.0.7',
      ports: { http: 8080 },
      labels: { version: 'v1' },
      locality: 'eu/a',
      network: 'vm',
      weight: 2,
      serviceAccount: 'web',
    },
    probe: {
      initialDelaySeconds: 3,
      periodSeconds: 5,
      timeoutSeconds: 2,
      successThreshold: 2,
      failureThreshold: 3,
      httpGet: {
        path: '/health',
        port: 8080,
        scheme: 'HTTP',
        host: 'localhost',
        httpHeaders: [{ name: 'Host', value: 'web.example' }],
      },
    },
  },
  { template: {}, probe: { tcpSocket: { port: 8080, host: '127.0.0.1' } } },
  { template: {}, probe: { grpc: { port: 8080, service: 'web' } } },
];

export const services: unknown[] = [
  {
    ports: [
      { name: 'http', protocol: 'TCP', appProtocol: 'http', port: 80, targetPort: 8080 },
      { name: 'grpc', port: 90, targetPort: 'grpc' },
    ],
    selector: { app: 'web' },
    clusterIP: '10.96.0.1',
    clusterIPs: ['10.96.0.1', 'fd00::1'],
    type: 'ClusterIP',
    trafficDistribution: 'PreferSameZone',
    publishNotReadyAddresses: true,
  },
  { type: 'ExternalName', externalName: 'www.example.com' },
  { clusterIP: 'None', selector: { app: 'web' } },
];

export const meshConfigs: unknown[] = [
  {
    tlsDefaults: {
      minProtocolVersion: 'TLSV1_2',
      ecdhCurves: ['P-256'],
      cipherSuites: ['ECDHE-ECDSA-AES128-GCM-SHA256'],
    },
    proxyListenPort: 15001,
    proxyInboundListenPort: 15006,
    connectTimeout: '10s',
    protocolDetectionTimeout: '0s',
    tcpKeepalive: { probes: 1, time: '1s', interval: '1s' },
    outboundTrafficPolicy: {
      mode: 'ALLOW_ANY_DYNAMIC_DNS',
      tls: {
        mode: 'MUTUAL',
        clientCertificate: '/etc/tls/tls.crt',
        privateKey: '/etc/tls/tls.key',
        caCertificates: '/etc/tls/ca.crt',
        subjectAltNames: ['example.com'],
        sni: 'example.com',
        caCrl: '/etc/tls/ca.crl',
      },
    },
    inboundTrafficPolicy: { mode: 'LOCALHOST' },
    serviceEntryVisibility: {
      defaultVisibility: 'PUBLIC',
      applyToSidecars: true,
      policies: [
        {
          visibility: 'NAMESPACE',
          matchingRules: [
            {
              namespaceSelector: {
                matchLabels: { tier: 'internal' },
                matchExpressions: [{ key: 'tier', operator: 'In', values: ['internal'] }],
              },
            },
          ],
        },
      ],
    },
    defaultServiceExportTo: ['*'],
    defaultVirtualServiceExportTo: ['.'],
    defaultDestinationRuleExportTo: ['~'],
    rootNamespace: 'istio-config',
    dnsRefreshRate: '5s',
    h2UpgradePolicy: 'UPGRADE',
    pathNormalization: { normalization: 'MERGE_SLASHES' },
    defaultTrafficPolicy: { connectionPool, outlierDetection },
    defaultHttpRetryPolicy: {
      attempts: 2,
      perTryTimeout: '1s',
      retryOn: '5xx',
      retryRemoteLocalities: false,
      retryIgnorePreviousHosts: true,
      backoff: '5ms',
    },
    defaultInboundHttpRetryPolicy: { attempts: 1, retryOn: 'reset', backoff: '5ms' },
    localityLbSetting: { ...priorities, enabled: true },
    zoneAwareLbSetting: { enabled: true, minClusterSize: 6, ...priorities },
    proxyHttpPort: 15080,
    inboundClusterStatName: 'in_%SERVICE%',
    outboundClusterStatName: 'out_%SERVICE%',
    disableEnvoyListenerLog: true,
    trustDomain: 'cluster.local',
    accessLogFile: '/dev/stdout',
    accessLogFormat: '%PROTOCOL%',
    accessLogEncoding: 'JSON',
    defaultConfig: {
      proxyHeaders: {
        forwardedClientCert: 'SANITIZE_SET',
        setCurrentClientCertDetails: {
          subject: true,
          cert: true,
          chain: false,
          dns: true,
          uri: true,
        },
        requestId: { disabled: true },
        server: { disabled: false, value: 'own' },
        attemptCount: { disabled: true },
        envoyDebugHeaders: { disabled: true },
        preserveHttp1HeaderCase: true,
        xForwardedHost: { enabled: true },
        xForwardedPort: { enabled: true },
      },
      gatewayTopology: {
        numTrustedProxies: 1,
        forwardClientCertDetails: 'SANITIZE',
        proxyProtocol: {},
      },
      connectionSettings: {
        profile: 'EDGE',
        listenerPerConnectionBufferLimitBytes: 32768,
        clusterPerConnectionBufferLimitBytes: 32768,
        httpIdleTimeout: '1h',
        httpMaxConnectionDuration: '1h',
        httpDrainTimeout: '5s',
        httpRequestTimeout: '5m',
        httpRequestHeadersTimeout: '60s',
        httpStreamIdleTimeout: '5m',
        httpMaxStreamDuration: '1h',
        httpMaxConcurrentStreams: 100,
        http2InitialStreamWindowSize: 65536,
        http2InitialConnectionWindowSize: 1048576,
        httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
        httpMergeSlashes: true,
        httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT',
      },
    },
  },
  {
    localityLbSetting: weights,
    outboundTrafficPolicy: {
      mode: 'ALLOW_ANY_DYNAMIC_DNS',
      tls: { mode: 'SIMPLE', insecureSkipVerify: true },
    },
  },
];

/** Fields of an EndpointSlice; they stand beside metadata. */
export const endpointSlice = {
  addressType: 'IPv4',
  endpoints: [
    {
      addresses: ['10.0.0.1'],
      conditions: { ready: true, terminating: false },
      hostname: 'db-0',
      zone: 'a',
    },
  ],
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
};

/** Fields of an Endpoints object; they stand beside metadata. */
export const endpoints = {
  subsets: [
    {
      addresses: [{ ip: '10.0.0.1', hostname: 'db-0' }],
      notReadyAddresses: [{ ip: 'fd00::2' }],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    },
  ],
};

const managerFilter = 'envoy.filters.network.http_connection_manager';

const gatewayTarget = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'g' };

export const envoyFilters: unknown[] = [
  {
    targetRefs: [gatewayTarget],
    configPatches: [
      {
        applyTo: 'VIRTUAL_HOST',
        match: { routeConfiguration: { portName: 'https', gateway: 'default/g' } },
        patch: { operation: 'REMOVE' },
      },
    ],
  },
  {
    workloadSelector: { labels: { app: 'web' } },
    priority: -10,
    configPatches: [
      {
        applyTo: 'HTTP_FILTER',
        match: {
          context: 'SIDECAR_INBOUND',
          proxy: { proxyVersion: '^1\\.2[0-9]', metadata: { ZONE: 'a' } },
          listener: {
            portNumber: 8080,
            name: 'virtualInbound',
            listenerFilter: 'envoy.filters.listener.tls_inspector',
            filterChain: {
              name: '0.0.0.0_8080',
              sni: 'a.test',
              transportProtocol: 'raw_buffer',
              applicationProtocols: 'http/1.1,h2c',
              destinationPort: 8080,
              filter: { name: managerFilter, subFilter: { name: 'envoy.filters.http.router' } },
            },
          },
        },
        patch: {
          operation: 'INSERT_BEFORE',
          value: {
            name: 'lua',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
              defaultSourceCode: { inlineString: 'x = 1' },
            },
          },
        },
      },
      {
        applyTo: 'HTTP_ROUTE',
        match: {
          routeConfiguration: {
            portNumber: 80,
            name: '80',
            vhost: {
              name: 'a.test:80',
              domainName: 'a.test',
              route: { name: 'default', action: 'ROUTE' },
            },
          },
        },
        patch: { operation: 'MERGE', value: { route: { timeout: '1.5s' } } },
      },
      {
        applyTo: 'CLUSTER',
        match: { cluster: { portNumber: 80, service: 'a.test', subset: 'v1', name: 'x' } },
        patch: { operation: 'REMOVE' },
      },
    ],
  },
];

export const wasmPlugins: unknown[] = [
  { url: 'file:///a.wasm', targetRef: gatewayTarget },
  { url: 'file:///a.wasm', targetRefs: [gatewayTarget] },
  {
    selector: { matchLabels: { app: 'web' } },
    url: 'file:///opt/filters/auth.wasm',
    pluginConfig: { issuer: 'a', list: [1, true] },
    pluginName: 'auth',
    phase: 'AUTHN',
    priority: 10,
    failStrategy: 'FAIL_OPEN',
    vmConfig: {
      env: [
        { name: 'ZONE', value: 'a' },
        { name: 'HOME', valueFrom: 'HOST' },
      ],
    },
    match: [{ mode: 'SERVER', ports: [{ number: 8080 }] }],
    type: 'HTTP',
  },
];
