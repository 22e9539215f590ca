// The xDS server: listening, lifetime, and the services on a grpc-js server. The protocol itself is in sotw.ts,
// delta.ts and push-order.ts; who is served what is in the snapshot cache.
import * as grpc from '@grpc/grpc-js';
import { ControlPlaneError } from '../lib/error.js';
import { addClientStatus, clientStatusService } from './csds.js';
import { addHealth, healthService } from './health.js';
import { healthDiscoveryService } from './health-checks.js';
import { OpenStreams, type XdsServerStats } from './open-streams.js';
import {
  defaultLimits,
  defaultTimes,
  type UnknownNamed,
  type XdsCallbacks,
  type XdsLimits,
  type XdsServerOptions,
  type XdsTimes,
} from './options.js';
import { defaultQuarantineTimes, type HeldBack, Quarantine } from './quarantine.js';
import { addReflection, reflectionServices } from './reflection.js';
import { type BytesCall, bytesMethod, discoveryServices } from './services.js';
import { standIn } from './stand-in.js';
import type { Variant, XdsStream } from './status.js';
import type { StreamSettings } from './stream.js';
import { TypeRules } from './type-rules.js';
import { VersionAliases } from './version-aliases.js';

export type * from './authentication.js';
export type * from './health-checks.js';
export type { XdsNode } from './node.js';
export type { XdsServerStats } from './open-streams.js';
export type * from './options.js';
export type { HeldBack, ReleaseReason } from './quarantine.js';
export { SnapshotCache, type SnapshotListener, type XdsCache } from './snapshot-cache.js';
export type * from './status.js';
export type { TypeRule } from './type-rules.js';

/** Where to listen: a TCP address (port 0: any free one) or a Unix socket's path. */
export type ListenAddress =
  | { readonly host: string; readonly port: number; readonly credentials?: grpc.ServerCredentials }
  | { readonly path: string; readonly credentials?: grpc.ServerCredentials };

export interface XdsServer {
  /** Starts to listen and gives the bound address. May be called for several addresses. */
  listen(address: ListenAddress): Promise<{ host: string; port: number } | { path: string }>;
  /** Adds the services to a grpc-js server of the caller's, which then does the listening. */
  attach(server: grpc.Server): void;
  /** The open streams. */
  streams(): Iterable<XdsStream>;
  /** The resources that clients refused and that are held back now. */
  heldBack(): readonly HeldBack[];
  /** Counts and gauges, for metrics. */
  stats(): XdsServerStats;
  /** Ends all streams with UNAVAILABLE and stops listening; done within `times.closeMs`. */
  close(): Promise<void>;
}

/** An xDS server (ADS and single-type services, state-of-the-world and delta) that serves a SnapshotCache. */
export function createXdsServer(options: XdsServerOptions): XdsServer {
  return new Server(options);
}

class Server implements XdsServer {
  private readonly open: OpenStreams;
  readonly limits: XdsLimits;
  readonly times: XdsTimes;
  private readonly unknownNamed: UnknownNamed;
  private readonly rules: TypeRules;
  private own: grpc.Server | undefined;
  private closing = false;
  private readonly aliases = new VersionAliases();
  private readonly quarantine: Quarantine | undefined;

  constructor(private readonly options: XdsServerOptions) {
    this.limits = { ...defaultLimits, ...options.limits };
    this.times = { ...defaultTimes, ...options.times };
    this.open = new OpenStreams(options, this);
    this.rules = new TypeRules(options.types);
    if (options.holdBack !== false) this.quarantine = newQuarantine(options.callbacks ?? {});
    const { unknownNamed = 'wait' } = options;
    if (typeof unknownNamed === 'function') this.unknownNamed = unknownNamed;
    else this.unknownNamed = unknownNamed === 'empty' ? standIn : () => undefined;
  }

  async listen(address: ListenAddress): Promise<{ host: string; port: number } | { path: string }> {
    this.own ??= this.createServer();
    const server = this.own;
    const target = 'path' in address ? `unix:${address.path}` : hostPort(address);
    const credentials = address.credentials ?? grpc.ServerCredentials.createInsecure();
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(target, credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else {
          const message = `cannot listen on ${target}: ${error.message}`;
          reject(new ControlPlaneError('XdsListenFailed', message, { cause: error }));
        }
      });
    });
    return 'path' in address ? { path: address.path } : { host: address.host, port };
  }

  attach(server: grpc.Server): void {
    for (const { service, onlyType, methods } of discoveryServices) {
      for (const variant of ['sotw', 'delta'] as const) {
        const method = methods[variant];
        if (method === undefined) continue;
        const definition = bytesMethod(service, method);
        server.register(
          definition.path,
          (call: BytesCall) => this.open.open(call, this.settings(variant, onlyType)),
          definition.responseSerialize,
          definition.requestDeserialize,
          'bidi',
        );
      }
    }
    addHealth(server, () => !this.closing);
    const services = discoveryServices.map(({ service }) => service);
    services.push(healthService, ...reflectionServices);
    const { healthChecks } = this.options;
    if (healthChecks !== undefined) {
      const method = bytesMethod(healthDiscoveryService, 'StreamHealthCheck');
      const open = (call: BytesCall) => this.open.openHealth(call, healthChecks);
      server.register(
        method.path,
        open,
        method.responseSerialize,
        method.requestDeserialize,
        'bidi',
      );
      services.push(healthDiscoveryService);
    }
    const { authenticate, clientStatus = authenticate === undefined } = this.options;
    if (clientStatus !== false) {
      const authorize = clientStatus === true ? undefined : clientStatus;
      addClientStatus(server, { streams: () => this.open.connections, authenticate, authorize });
      services.push(clientStatusService);
    }
    addReflection(server, services.sort());
  }

  streams(): Iterable<XdsStream> {
    return this.open.connections;
  }

  heldBack(): readonly HeldBack[] {
    return this.quarantine?.list() ?? [];
  }

  stats(): XdsServerStats {
    return this.open.stats();
  }

  async close(): Promise<void> {
    this.closing = true;
    this.open.close('the server is shutting down');
    this.quarantine?.close();
    const server = this.own;
    if (server === undefined) return;
    // tryShutdown says GOAWAY and waits for clients to close; those that do not are cut off.
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => {
        server.forceShutdown();
        resolve();
      }, this.times.closeMs * 0.8);
      server.tryShutdown(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  }

  private createServer(): grpc.Server {
    const { times, limits } = this;
    const server = new grpc.Server({
      'grpc.max_receive_message_length': limits.requestBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': times.pingMs,
      'grpc.keepalive_timeout_ms': times.pingTimeoutMs,
      'grpc.max_connection_idle_ms': times.idleConnectionMs,
      // Nobody asks for them, and they cost each call.
      'grpc.enable_channelz': 0,
      // grpc-js adds a jitter of ± 10 % itself.
      ...(times.connectionAgeMs > 0 && {
        'grpc.max_connection_age_ms': times.connectionAgeMs,
        'grpc.max_connection_age_grace_ms': times.connectionGraceMs,
      }),
    });
    this.attach(server);
    return server;
  }

  private settings(variant: Variant, onlyType: string | undefined): StreamSettings {
    const { ttl = 'delta' } = this.options;
    return {
      variant,
      onlyType,
      limits: this.limits,
      times: this.times,
      identifier: this.options.identifier ?? '',
      rules: this.rules,
      ttl: ttl === 'none' ? undefined : ttl,
      resourceErrors: this.options.resourceErrors,
      respond: { unknownNamed: this.unknownNamed, aliases: this.aliases },
      quarantine: this.quarantine,
      callbacks: this.options.callbacks ?? {},
      now: Date.now,
    };
  }
}

function newQuarantine(callbacks: XdsCallbacks): Quarantine {
  // What happens to all streams is told on no stream's behalf: an exception has nothing to end.
  const tell = (work: () => void) => {
    try {
      work();
    } catch {}
  };
  return new Quarantine({
    ...defaultQuarantineTimes,
    now: Date.now,
    later: (ms, job) => void setTimeout(job, ms).unref(),
    substitutes: ({ typeUrl, name, version }, message, node) => {
      try {
        return callbacks.substitutes?.({ typeUrl, name, version, message, node }) ?? [];
      } catch {
        return [];
      }
    },
    onHeldBack: (held) => tell(() => callbacks.onHeldBack?.(held)),
    onReleased: (held, reason) => tell(() => callbacks.onReleased?.(held, reason)),
  });
}

function hostPort({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
