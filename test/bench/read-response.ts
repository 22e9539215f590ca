// A response of ADS taken apart as far as a simulated sidecar needs it: names and versions. Equal bytes are read
// once, and an answer's resources are compared as slices, never decoded.
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, type TypeUrl } from '../../src/envoy/resource.js';
import type { Change } from './held-table.js';
import { readFields, readText } from './wire.js';

export type Variant = 'sotw' | 'delta';

/** Names that a response makes a sidecar ask for, or no longer ask for. */
export interface Named {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

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

const recent = new Map<Variant, { body: Buffer; response: AdsResponse }[]>();
const recentMax = 8;

/** Reads a response; one of the last few that has the same bytes is not read again. */
export function readResponse(body: Buffer, variant: Variant): AdsResponse {
  const known = recent.get(variant) ?? [];
  recent.set(variant, known);
  for (const { body: other, response } of known) if (other.equals(body)) return response;
  const response = variant === 'sotw' ? readSotw(body) : readDelta(body);
  known.push({ body, response });
  if (known.length > recentMax) known.shift();
  return response;
}

function readDelta(body: Buffer): AdsResponse {
  let typeUrl = '';
  let nonce = '';
  const changes: Change[] = [];
  const routes: string[] = [];
  readFields(body, (number, bytes) => {
    if (number === 4) typeUrl = bytes.toString('latin1');
    else if (number === 5) nonce = bytes.toString('latin1');
    else if (number === 6) changes.push({ name: bytes.toString('latin1'), version: undefined });
    else if (number === 2) {
      let name = '';
      let version = '';
      readFields(bytes, (n, part) => {
        if (n === 3) name = part.toString('latin1');
        else if (n === 1) version = part.toString('latin1');
      });
      changes.push({ name, version });
      if (isRouted(name, bytes)) routes.push(routeName(name));
    }
  });
  return finish({ typeUrl: typeUrl as TypeUrl, version: '', nonce, whole: false }, changes, routes);
}

function readSotw(body: Buffer): AdsResponse {
  let typeUrl = '';
  let nonce = '';
  let version = '';
  const changes: Change[] = [];
  const routes: string[] = [];
  readFields(body, (number, bytes) => {
    if (number === 4) typeUrl = bytes.toString('latin1');
    else if (number === 5) nonce = bytes.toString('latin1');
    else if (number === 1) version = bytes.toString('latin1');
    else if (number === 2) {
      readFields(bytes, (n, value) => {
        if (n !== 2) return;
        const name = firstText(value);
        changes.push({ name, version: '' });
        if (isRouted(name, value)) routes.push(routeName(name));
      });
    }
  });
  const whole = typeUrl === CLUSTER || typeUrl === LISTENER;
  return finish({ typeUrl: typeUrl as TypeUrl, version, nonce, whole }, changes, routes);
}

/** The name is field 1 of clusters, assignments, listeners and routes, and comes first. */
function firstText(value: Buffer): string {
  if (value[0] === 10 && value[1]! < 128) return value.toString('latin1', 2, 2 + value[1]!);
  return readText(value, 1);
}

function finish(
  head: Pick<AdsResponse, 'typeUrl' | 'version' | 'nonce' | 'whole'>,
  changes: readonly Change[],
  routes: readonly string[],
): AdsResponse {
  const { typeUrl } = head;
  const came = changes.filter(({ version }) => version !== undefined);
  const gone = changes.filter(({ version }) => version === undefined).map(({ name }) => name);
  const common = typeUrl === ENDPOINT || typeUrl === ROUTE;
  return {
    ...head,
    resources: came.length,
    shared: common ? changes : changes.filter(({ name }) => !isOwn(name)),
    own: common ? [] : changes.filter(({ name }) => isOwn(name)),
    clusters: {
      added: typeUrl === CLUSTER ? came.map(({ name }) => name).filter(isEds) : [],
      removed: typeUrl === CLUSTER ? gone.filter(isEds) : [],
    },
    routes: {
      added: typeUrl === LISTENER ? routes : [],
      removed: typeUrl === LISTENER ? gone.filter((name) => port.test(name)).map(routeName) : [],
    },
  };
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
