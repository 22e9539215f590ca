// A response of ADS taken apart as far as a simulated sidecar needs it: names and versions. Equal bytes are read
// once, and an answer's resources are compared as slices, never decoded.
import { CLUSTER, LISTENER, type TypeUrl } from '../../src/envoy/resource.js';
import type { Change, Named } from './held-table.js';
import { FieldReader, readText } from './wire.js';

export type Variant = 'sotw' | 'delta';

export interface AdsResponse {
  readonly typeUrl: TypeUrl;
  readonly version: string;
  readonly nonce: string;
  /** Resources in it, removed ones not counted. */
  readonly resources: number;
  /** The response is all there is of the type. */
  readonly whole: boolean;
  /** What sidecars have in common, and what is this one's own. */
  readonly shared: readonly Change[];
  readonly own: readonly Change[];
  /** EDS names of the clusters. */
  readonly clusters: Named;
  /** RDS names of the listeners. */
  readonly routes: Named;
}

/** Resources in a row that sidecars have in common, as they stand in a response. */
interface Row {
  readonly bytes: Buffer;
  readonly changes: readonly Change[];
  readonly clusters: Named;
  readonly routes: Named;
}

const recent: Record<Variant, { body: Buffer; response: AdsResponse }[]> = { sotw: [], delta: [] };
const rows: Record<Variant, Row[]> = { sotw: [], delta: [] };
const rememberedMax = 8;
/** Shorter rows are read each time. */
const rowBytesMin = 16_384;

/** Reads a response; bytes that it has in common with one of the last few are not read again. */
export function readResponse(body: Buffer, variant: Variant): AdsResponse {
  for (const { body: other, response } of recent[variant]) if (other.equals(body)) return response;
  const response = new Reading(body, variant).response();
  // One with parts of its own comes only once.
  if (response.own.length === 0) remember(recent[variant], { body, response });
  return response;
}

function remember<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > rememberedMax) list.shift();
}

/** Goes through a response once. */
class Reading {
  #typeUrl = '';
  #version = '';
  #nonce = '';
  readonly #rows: Row[] = [];
  readonly #own: Change[] = [];
  readonly #gone: Change[] = [];
  readonly #body: Buffer;
  readonly #variant: Variant;

  constructor(body: Buffer, variant: Variant) {
    this.#body = body;
    this.#variant = variant;
    const reader = new FieldReader(body);
    while (reader.next()) {
      const { number } = reader;
      if (number === 2) this.#readResources(reader);
      else if (number === 4) this.#typeUrl = reader.text();
      else if (number === 5) this.#nonce = reader.text();
      else if (number === 1 && variant === 'sotw') this.#version = reader.text();
      else if (number === 6 && variant === 'delta') {
        this.#gone.push({ name: reader.text(), version: undefined });
      }
    }
  }

  /** All resources from the reader's place on that are not the sidecar's own, and the one after them. */
  #readResources(reader: FieldReader): void {
    const at = reader.start;
    const known = rows[this.#variant].find(
      ({ bytes }) =>
        this.#body.length - at >= bytes.length &&
        bytes.compare(this.#body, at, at + bytes.length) === 0,
    );
    if (known !== undefined) {
      this.#rows.push(known);
      reader.skipTo(at + known.bytes.length);
      return;
    }
    const changes: Change[] = [];
    const routes: string[] = [];
    let end = at;
    do {
      const { name, version, value } = this.#readResource(reader.value());
      if (isOwn(name)) {
        this.#own.push({ name, version });
        break;
      }
      changes.push({ name, version });
      if (isRouted(name, value)) routes.push(routeName(name));
      end = reader.end;
    } while (reader.peek() === 2 && reader.next());
    if (changes.length === 0) return;
    const row = {
      bytes: this.#body.subarray(at, end),
      changes,
      clusters: { added: changes.map(({ name }) => name).filter(isEds), removed: noNames },
      routes: { added: routes, removed: noNames },
    };
    this.#rows.push(row);
    if (end - at >= rowBytesMin) remember(rows[this.#variant], row);
  }

  #readResource(bytes: Buffer): { name: string; version: string; value: Buffer } {
    const reader = new FieldReader(bytes);
    if (this.#variant === 'sotw') {
      let value = bytes;
      while (reader.next()) if (reader.number === 2) value = reader.value();
      return { name: firstText(value), version: '', value };
    }
    let name = '';
    let version = '';
    while (reader.next()) {
      if (reader.number === 3) name = reader.text();
      else if (reader.number === 1) version = reader.text();
    }
    return { name, version, value: bytes };
  }

  response(): AdsResponse {
    const typeUrl = this.#typeUrl as TypeUrl;
    const [row] = this.#rows;
    const alone = this.#rows.length === 1 && this.#gone.length === 0 ? row : undefined;
    const gone = this.#gone.map(({ name }) => name);
    const named = (of: 'clusters' | 'routes', removed: readonly string[]): Named =>
      alone?.[of] ?? { added: this.#rows.flatMap((each) => each[of].added), removed };
    return {
      typeUrl,
      version: this.#version,
      nonce: this.#nonce,
      whole: this.#variant === 'sotw' && (typeUrl === CLUSTER || typeUrl === LISTENER),
      resources: this.#rows.reduce((sum, each) => sum + each.changes.length, this.#own.length),
      shared: alone?.changes ?? [
        ...this.#rows.flatMap(({ changes }) => changes),
        ...this.#gone.filter(({ name }) => !isOwn(name)),
      ],
      own: [...this.#own, ...this.#gone.filter(({ name }) => isOwn(name))],
      clusters: typeUrl === CLUSTER ? named('clusters', gone.filter(isEds)) : noneNamed,
      routes:
        typeUrl === LISTENER
          ? named('routes', gone.filter((name) => port.test(name)).map(routeName))
          : noneNamed,
    };
  }
}

const noNames: readonly string[] = [];
const noneNamed: Named = { added: noNames, removed: noNames };

/** The name is field 1 of clusters, assignments, listeners and routes, and comes first. */
function firstText(value: Buffer): string {
  if (value[0] === 10 && value[1]! < 128) return value.toString('latin1', 2, 2 + value[1]!);
  return readText(value, 1);
}

// All outbound clusters of the benchmark's mesh are EDS clusters, and all others are not.
const isEds = (name: string) => name.startsWith('outbound|');
const isOwn = (name: string) => name.startsWith('inbound') || name.startsWith('virtualInbound');

const port = /^0\.0\.0\.0_(\d+)$/;

function isRouted(name: string, bytes: Buffer): boolean {
  return port.test(name) && bytes.includes('envoy.filters.network.http_connection_manager');
}

function routeName(name: string): string {
  return port.exec(name)?.[1] ?? '';
}
