// A sidecar without an Envoy: a delta ADS client that asks as Envoy does (CDS, then EDS of its clusters, LDS, then RDS
// of its listeners), acknowledges everything, and counts. For measuring the server, not for judging it.
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { decode, encode } from '../../src/envoy/codec.js';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, type TypeUrl } from '../../src/envoy/resource.js';

const REQUEST = 'envoy.service.discovery.v3.DeltaDiscoveryRequest';
const RESPONSE = 'envoy.service.discovery.v3.DeltaDiscoveryResponse';
const METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

interface Response {
  type_url: TypeUrl;
  nonce: string;
  resources?: { name: string; resource: { value: Buffer } }[];
  removed_resources?: string[];
}

/** What all sidecars of a run share: decoded names by resource bytes, and the totals. */
export class Fleet {
  responses = 0;
  resources = 0;
  bytes = 0;
  lastAckMs = 0;
  readonly byType = new Map<string, number>();

  /** Zeroes the counts, before an edit. */
  reset(): void {
    this.responses = 0;
    this.resources = 0;
    this.bytes = 0;
    this.byType.clear();
  }
}

export class SimulatedSidecar {
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #subscribed = new Map<TypeUrl, Set<string>>();
  readonly held = new Map<TypeUrl, Set<string>>();

  /** `answers` false: it takes what comes and says nothing to it. */
  constructor(
    address: string,
    node: object,
    fleet: Fleet,
    private readonly answers = true,
  ) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      // Each sidecar has a connection of its own, as Envoys do.
      'grpc.use_local_subchannel_pool': 1,
    });
    const bytes = (value: Buffer) => value;
    this.#stream = this.#client.makeBidiStreamRequest(METHOD, bytes, bytes);
    this.#stream.on('error', () => undefined);
    this.#stream.on('data', (data: Buffer) => this.#receive(data, fleet));
    this.#send({ node, type_url: CLUSTER });
    this.#send({ type_url: LISTENER });
  }

  /** As Istio's agent tells how the workload is; `error` says why it is not well. */
  tellHealth(error?: string): void {
    const type_url = 'type.googleapis.com/istio.v1.HealthInformation';
    this.#send({ type_url, ...(error && { error_detail: { code: 13, message: error } }) });
  }

  /** Ends the stream and its connection. */
  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #send(request: object): void {
    this.#stream.write(encode(REQUEST, request));
  }

  #receive(data: Buffer, fleet: Fleet): void {
    const response = decode<Response>(RESPONSE, data);
    const resources = response.resources ?? [];
    fleet.responses++;
    fleet.resources += resources.length;
    fleet.bytes += data.length;
    fleet.byType.set(
      response.type_url,
      (fleet.byType.get(response.type_url) ?? 0) + resources.length,
    );
    this.#hold(response);
    if (response.type_url === CLUSTER) this.#subscribe(ENDPOINT, resources.filter(isEds).map(name));
    if (response.type_url === LISTENER) this.#subscribe(ROUTE, resources.flatMap(routeNames));
    if (this.answers) this.#send({ type_url: response.type_url, response_nonce: response.nonce });
    fleet.lastAckMs = performance.now();
  }

  #hold({ type_url, resources = [], removed_resources = [] }: Response): void {
    const held = this.held.get(type_url) ?? new Set();
    for (const resource of resources) held.add(resource.name);
    for (const gone of removed_resources) held.delete(gone);
    this.held.set(type_url, held);
  }

  #subscribe(typeUrl: TypeUrl, names: readonly string[]): void {
    const known = this.#subscribed.get(typeUrl) ?? new Set();
    const added = names.filter((n) => !known.has(n));
    if (added.length === 0) return;
    for (const n of added) known.add(n);
    this.#subscribed.set(typeUrl, known);
    this.#send({ type_url: typeUrl, resource_names_subscribe: added });
  }
}

type Wrapped = NonNullable<Response['resources']>[number];

const name = (resource: Wrapped) => resource.name;

// Names are read off the names: decoding 100 times 1,000 clusters would measure the client.
const isEds = ({ name }: Wrapped) => name.startsWith('outbound|');

function routeNames({ name, resource }: Wrapped): string[] {
  const port = /^0\.0\.0\.0_(\d+)$/.exec(name)?.[1];
  return port !== undefined &&
    resource.value.includes('envoy.filters.network.http_connection_manager')
    ? [port]
    : [];
}
