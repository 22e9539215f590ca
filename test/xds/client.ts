// A bare discovery client over a real socket: sends requests as written, collects decoded responses, acknowledges
// when told to. No expectations here.
import * as grpc from '@grpc/grpc-js';
import { decode, encode } from '../../src/envoy/codec.js';
import type { Variant } from '../../src/xds/status.js';

export interface Response {
  typeUrl: string;
  version: string;
  nonce: string;
  /** Names and versions; SotW resources get their names from the message. */
  names: string[];
  removed: string[];
  /** Decoded messages by name. */
  messages: Map<string, Record<string, unknown>>;
  /** Delta: versions by name. */
  versions: Map<string, string>;
  bytes: Buffer;
}

export interface ClientOptions {
  address: string;
  variant: Variant;
  path?: string;
  nodeId?: string;
  /** Plaintext where absent. */
  credentials?: grpc.ChannelCredentials;
  /** Headers of the call. */
  headers?: Record<string, string>;
}

const paths = {
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
};

export class TestClient {
  readonly responses: Response[] = [];
  status: grpc.StatusObject | undefined;
  private readonly grpcClient: grpc.Client;
  private readonly call: grpc.ClientDuplexStream<Buffer, Buffer>;
  private readonly waiting = new Set<() => void>();
  private taken = 0;
  private first = true;

  constructor(private readonly options: ClientOptions) {
    const credentials = options.credentials ?? grpc.credentials.createInsecure();
    this.grpcClient = new grpc.Client(options.address, credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
    const same = (bytes: Buffer) => bytes;
    const path = options.path ?? paths[options.variant];
    const metadata = new grpc.Metadata();
    for (const [key, value] of Object.entries(options.headers ?? {})) metadata.set(key, value);
    this.call = this.grpcClient.makeBidiStreamRequest(path, same, same, metadata);
    this.call.on('data', (bytes: Buffer) => {
      this.responses.push(readResponse(options.variant, bytes));
      for (const wake of this.waiting) wake();
    });
    this.call.on('status', (status) => {
      this.status = status;
      for (const wake of this.waiting) wake();
    });
    this.call.on('error', () => {});
  }

  /** Sends a request; the node goes with the first one. */
  send(request: Record<string, unknown>): void {
    const type = this.options.variant === 'sotw' ? 'DiscoveryRequest' : 'DeltaDiscoveryRequest';
    const node = this.first ? { node: { id: this.options.nodeId ?? 'test', cluster: 'c' } } : {};
    this.first = false;
    this.call.write(encode(`envoy.service.discovery.v3.${type}`, { ...node, ...request }));
  }

  sendBytes(bytes: Buffer): void {
    this.call.write(bytes);
  }

  /** Accepts a response; SotW repeats its names. */
  ack(response: Response, names: string[] = []): void {
    const { typeUrl: type_url, nonce: response_nonce, version } = response;
    if (this.options.variant === 'delta') this.send({ type_url, response_nonce });
    else this.send({ type_url, response_nonce, version_info: version, resource_names: names });
  }

  nack(response: Response, message: string, { names = [] as string[], version = '' } = {}): void {
    const { typeUrl: type_url, nonce: response_nonce } = response;
    const error_detail = { code: 13, message };
    if (this.options.variant === 'delta') this.send({ type_url, response_nonce, error_detail });
    else {
      this.send({
        type_url,
        response_nonce,
        error_detail,
        version_info: version,
        resource_names: names,
      });
    }
  }

  /** The next response; throws when none comes in time. */
  async next(timeoutMs = 2_000): Promise<Response> {
    const response = await this.maybeNext(timeoutMs);
    if (response === undefined) {
      const { status } = this;
      throw new Error(
        status ? `the stream ended: ${status.code} ${status.details}` : 'no response',
      );
    }
    return response;
  }

  /** The next response, or undefined when none comes in that time. */
  async maybeNext(timeoutMs: number): Promise<Response | undefined> {
    await this.until(
      () => this.responses.length > this.taken || this.status !== undefined,
      timeoutMs,
    );
    return this.responses[this.taken] && this.responses[this.taken++];
  }

  /** The end of the stream. */
  async end(timeoutMs = 2_000): Promise<grpc.StatusObject> {
    await this.until(() => this.status !== undefined, timeoutMs);
    if (this.status === undefined) throw new Error('the stream did not end');
    return this.status;
  }

  halfClose(): void {
    this.call.end();
  }

  /** For slow-reader tests. */
  pause(): void {
    this.call.pause();
  }

  resume(): void {
    this.call.resume();
  }

  close(): void {
    this.call.cancel();
    this.grpcClient.close();
  }

  private until(done: () => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (done()) {
        resolve();
        return;
      }
      const stop = () => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(stop, timeoutMs);
      const wake = () => done() && stop();
      this.waiting.add(wake);
    });
  }
}

/** Decodes a response of either variant. */
export function readResponse(variant: Variant, bytes: Buffer): Response {
  type Any = { type_url: string; value: Buffer };
  const response = decode<{
    version_info?: string;
    system_version_info?: string;
    type_url: string;
    nonce: string;
    resources: (Any & { name?: string; version?: string; resource?: Any })[];
    removed_resources?: string[];
  }>(
    `envoy.service.discovery.v3.${variant === 'sotw' ? 'DiscoveryResponse' : 'DeltaDiscoveryResponse'}`,
    bytes,
  );
  const messages = new Map<string, Record<string, unknown>>();
  const versions = new Map<string, string>();
  for (const entry of response.resources) {
    const any = variant === 'sotw' ? entry : entry.resource!;
    const message = decode<Record<string, unknown>>(any.type_url, any.value);
    const name = entry.name || String(message['name'] || message['cluster_name']);
    if (messages.has(name)) throw new Error(`${name} is twice in one response`);
    messages.set(name, message);
    if (entry.version) versions.set(name, entry.version);
  }
  return {
    typeUrl: response.type_url,
    version: response.version_info || response.system_version_info || '',
    nonce: response.nonce,
    names: [...messages.keys()],
    removed: response.removed_resources ?? [],
    messages,
    versions,
    bytes,
  };
}
