// A sidecar without an Envoy, in either variant: asks as Envoy does (CDS, then EDS of its clusters, then LDS, then
// RDS of its listeners), acknowledges everything, reconnects with what it holds. What sidecars have in common is
// decoded once (read-response.ts, held-table.ts). For measuring a server, not for judging it.
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, type TypeUrl } from '../../src/envoy/resource.js';
import { GrpcStream } from './grpc-stream.js';
import { HeldTable, NameList } from './held-table.js';
import { type AdsResponse, readResponse, type Variant } from './read-response.js';
import { field } from './wire.js';

const service = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
const methods = { sotw: 'StreamAggregatedResources', delta: 'DeltaAggregatedResources' };

/** What one type is to a sidecar. */
interface Held {
  /** What other sidecars hold too, and what only this one does (its inbound parts). */
  shared: HeldTable;
  own: Map<string, string>;
  /** Of the last response, for SotW. */
  version: string;
  nonce: string;
}

export interface SidecarOptions {
  address: string;
  variant: Variant;
  /** Its place in the fleet; told to the server in a header, which only the floor reads. */
  index: number;
  /** Encoded envoy.config.core.v3.Node. */
  node: Buffer;
  onResponse(sidecar: BenchSidecar, response: AdsResponse, body: Buffer): void;
  onEnd(sidecar: BenchSidecar): void;
}

export class BenchSidecar {
  readonly index: number;
  readonly #options: SidecarOptions;
  readonly #held = new Map<TypeUrl, Held>();
  readonly #asked = new Map<TypeUrl, NameList>();
  /** Types asked for on the present stream. */
  readonly #open = new Set<TypeUrl>();
  #stream: GrpcStream | undefined;

  constructor(options: SidecarOptions) {
    this.index = options.index;
    this.#options = options;
  }

  /** It has everything that a new Envoy waits for. */
  get configured(): boolean {
    return this.#held.has(ROUTE) && this.#held.has(LISTENER);
  }

  /** Opens the stream; what is held from before is told to the server. */
  connect(): void {
    const { address, variant, index } = this.#options;
    this.#open.clear();
    const events = {
      onMessage: (body: Buffer) => this.#receive(body),
      onEnd: () => this.#options.onEnd(this),
    };
    const headers = { 'x-sidecar': String(index) };
    this.#stream = new GrpcStream(address, `${service}/${methods[variant]}`, events, headers);
    const before = this.configured;
    this.#ask(CLUSTER);
    if (before) for (const typeUrl of [ENDPOINT, LISTENER, ROUTE] as const) this.#ask(typeUrl);
  }

  disconnect(): void {
    this.#stream?.close();
  }

  #receive(body: Buffer): void {
    const response = readResponse(body, this.#options.variant);
    const { typeUrl, whole } = response;
    const held = this.#held.get(typeUrl) ?? newHeld();
    this.#held.set(typeUrl, held);
    held.shared = (whole ? HeldTable.empty : held.shared).apply(response.shared);
    if (whole) held.own.clear();
    for (const { name, version } of response.own) {
      if (version === undefined) held.own.delete(name);
      else held.own.set(name, version);
    }
    held.version = response.version;
    held.nonce = response.nonce;
    this.#acknowledge(typeUrl, held);
    if (typeUrl === CLUSTER) this.#subscribe(ENDPOINT, response.clusters, whole);
    if (typeUrl === LISTENER) this.#subscribe(ROUTE, response.routes, whole);
    if (typeUrl === ENDPOINT && !this.#open.has(LISTENER)) this.#ask(LISTENER);
    this.#options.onResponse(this, response, body);
  }

  /** The first request of a type on this stream. */
  #ask(typeUrl: TypeUrl): void {
    const { node, variant } = this.#options;
    const held = this.#held.get(typeUrl);
    const names = this.#asked.get(typeUrl)?.bytes ?? none;
    const first = this.#open.size === 0 ? field(1, node) : none;
    const firstSotw = this.#open.size === 0 ? field(2, node) : none;
    this.#open.add(typeUrl);
    if (variant === 'sotw') {
      const version = held?.version ? field(1, held.version) : none;
      this.#stream?.write(version, firstSotw, names, field(4, typeUrl));
    } else {
      const own = [...(held?.own ?? [])].map(([name, version]) =>
        field(5, Buffer.concat([field(1, name), field(2, version)])),
      );
      const versions = held?.shared.initialVersions() ?? none;
      this.#stream?.write(first, field(2, typeUrl), names, versions, ...own);
    }
  }

  #acknowledge(typeUrl: TypeUrl, held: Held): void {
    if (this.#options.variant === 'sotw') this.#askAgain(typeUrl, held);
    else this.#stream?.write(field(2, typeUrl), field(6, held.nonce));
  }

  /** SotW: each request has all names. */
  #askAgain(typeUrl: TypeUrl, { version, nonce }: Held): void {
    const names = this.#asked.get(typeUrl)?.bytes ?? none;
    this.#stream?.write(field(1, version), names, field(4, typeUrl), field(5, nonce));
  }

  /** Takes the names that a response gave: all there are, or those that came (and went) with a delta. */
  #subscribe(typeUrl: TypeUrl, named: AdsResponse['clusters'], whole: boolean): void {
    const before = this.#asked.get(typeUrl) ?? NameList.empty;
    const { now, added, gone } = before.after(named, whole);
    if (now === before && this.#open.has(typeUrl)) return;
    this.#asked.set(typeUrl, now);
    const held = this.#held.get(typeUrl);
    if (!this.#open.has(typeUrl)) this.#ask(typeUrl);
    else if (this.#options.variant === 'sotw' && held) this.#askAgain(typeUrl, held);
    else {
      const unsubscribe = gone.map((name) => field(4, name));
      this.#stream?.write(field(2, typeUrl), added.bytes, ...unsubscribe);
    }
    if (held) {
      held.shared = held.shared.apply(gone.map((name) => ({ name, version: undefined })));
    }
  }
}

const none = Buffer.alloc(0);

function newHeld(): Held {
  return { shared: HeldTable.empty, own: new Map(), version: '', nonce: '' };
}
