// The client status discovery service (envoy.service.status.v3): which resources each connected client was sent, has
// accepted or refused. Made from what the streams know at the moment of the question; nothing is kept for it.
import * as grpc from '@grpc/grpc-js';
import { decode, encode, fromJson } from '../envoy/codec.js';
import { SECRET } from '../envoy/resource.js';
import { errorMessage } from '../lib/error.js';
import {
  type Authenticate,
  type AuthorizeClientStatus,
  identify,
  type XdsIdentity,
} from './authentication.js';
import type { XdsNode } from './node.js';
import { MatcherError, matchesNode, type NodeMatcher } from './node-matcher.js';
import { bytesMethod } from './services.js';
import type { ResourceStatus, XdsStream } from './status.js';

/** The service's name. */
export const clientStatusService = 'envoy.service.status.v3.ClientStatusDiscoveryService';

/** Bytes of one answer; a question that needs more has to be narrower. */
const answerBytesMax = 64 * 1024 * 1024;

/** What the service needs of its server. */
export interface ClientStatusOwner {
  readonly streams: () => Iterable<XdsStream>;
  readonly authenticate: Authenticate | undefined;
  readonly authorize: AuthorizeClientStatus | undefined;
}

interface Request {
  node_matchers: NodeMatcher[];
  exclude_resource_contents?: boolean;
}

/** Adds StreamClientStatus (an answer for each request) and FetchClientStatus. */
export function addClientStatus(server: grpc.Server, owner: ClientStatusOwner): void {
  const stream = bytesMethod(clientStatusService, 'StreamClientStatus');
  const { responseSerialize, requestDeserialize } = stream;
  server.register(
    stream.path,
    (call: grpc.ServerDuplexStream<Buffer, Buffer>) => void answerAll(call, owner),
    responseSerialize,
    requestDeserialize,
    'bidi',
  );
  server.register(
    `/${clientStatusService}/FetchClientStatus`,
    (call: grpc.ServerUnaryCall<Buffer, Buffer>, reply: grpc.sendUnaryData<Buffer>) => {
      allow(call, owner)
        .then(() => answer(call.request, owner))
        .then((bytes) => reply(null, bytes))
        .catch((error: unknown) => reply(asStatus(error)));
    },
    responseSerialize,
    requestDeserialize,
    'unary',
  );
}

/** One question after the other: a client that asks without reading waits in its own transport. */
async function answerAll(
  call: grpc.ServerDuplexStream<Buffer, Buffer>,
  owner: ClientStatusOwner,
): Promise<void> {
  call.on('error', () => undefined);
  try {
    await allow(call, owner);
    // Left alone at its end, or the status could not be sent any more.
    for await (const bytes of call.iterator({ destroyOnReturn: false })) {
      const written = call.write(await answer(bytes as Buffer, owner));
      if (!written && !call.cancelled) await drained(call);
    }
    call.end();
  } catch (error) {
    if (!call.cancelled) call.emit('error', asStatus(error));
  }
}

function drained(call: grpc.ServerDuplexStream<Buffer, Buffer>): Promise<void> {
  return new Promise((resolve) => {
    call.once('drain', resolve);
    call.once('cancelled', resolve);
    call.once('close', resolve);
  });
}

class StatusError extends Error {
  constructor(
    readonly code: grpc.status,
    message: string,
  ) {
    super(message);
  }
}

function asStatus(error: unknown): { code: grpc.status; details: string } {
  if (error instanceof StatusError) return { code: error.code, details: error.message };
  return { code: grpc.status.INTERNAL, details: errorMessage(error) };
}

async function allow(
  call: Parameters<typeof identify>[0],
  { authenticate, authorize }: ClientStatusOwner,
): Promise<void> {
  const identity = await new Promise<XdsIdentity | undefined>((resolve, reject) =>
    identify(call, authenticate, (judgement) => {
      if ('identity' in judgement) resolve(judgement.identity);
      else reject(new StatusError(grpc.status.UNAUTHENTICATED, judgement.refused));
    }),
  );
  try {
    await authorize?.(identity);
  } catch (error) {
    throw new StatusError(grpc.status.PERMISSION_DENIED, errorMessage(error));
  }
}

async function answer(bytes: Buffer, owner: ClientStatusOwner): Promise<Buffer> {
  let request: Request;
  try {
    request = decode<Request>('envoy.service.status.v3.ClientStatusRequest', bytes);
  } catch {
    throw new StatusError(grpc.status.INVALID_ARGUMENT, 'the request cannot be read');
  }
  const pieces: Buffer[] = [];
  let size = 0;
  for (const client of clients(owner.streams())) {
    if (!matches(request, client.node)) continue;
    const config = encode(`${status}.ClientConfig`, clientConfig(client, request));
    // ClientStatusResponse has one repeated field, 1: its parts can be joined as bytes.
    const piece = Buffer.concat([Buffer.from([0x0a]), varint(config.length), config]);
    pieces.push(piece);
    size += piece.length;
    if (size > answerBytesMax) {
      const max = answerBytesMax / 1024 / 1024;
      const hint = 'use node_matchers or exclude_resource_contents';
      throw new StatusError(grpc.status.RESOURCE_EXHAUSTED, `more than ${max} MiB: ${hint}`);
    }
    // A thousand clients must not hold the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return Buffer.concat(pieces);
}

const status = 'envoy.service.status.v3';

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

interface Client {
  readonly node: XdsNode;
  readonly streams: XdsStream[];
}

/** An aggregated stream is a client; streams of single types are one client if node and connection are the same. */
function clients(streams: Iterable<XdsStream>): Iterable<Client> {
  const found = new Map<string, Client>();
  for (const stream of streams) {
    const { node } = stream;
    if (node === undefined) continue;
    const key = stream.aggregated ? `${stream.id}` : `${stream.peer} ${node.id}`;
    const client = found.get(key);
    if (client === undefined) found.set(key, { node, streams: [stream] });
    else client.streams.push(stream);
  }
  return found.values();
}

function matches(request: Request, node: XdsNode): boolean {
  try {
    return matchesNode(request.node_matchers, node);
  } catch (error) {
    if (error instanceof MatcherError) {
      throw new StatusError(grpc.status.INVALID_ARGUMENT, error.message);
    }
    throw error;
  }
}

function clientConfig({ node, streams }: Client, request: Request): object {
  const withContents = request.exclude_resource_contents !== true;
  const { region, zone, subZone: sub_zone } = node.locality;
  return {
    node: {
      id: node.id,
      cluster: node.cluster,
      metadata: fromJson('google.protobuf.Struct', node.metadata),
      locality: { region, zone, sub_zone },
      user_agent_name: node.userAgentName,
      user_agent_version: node.userAgentVersion,
      client_features: node.clientFeatures,
    },
    generic_xds_configs: streams.flatMap((stream) =>
      stream.resources().map((resource) => genericConfig(resource, withContents)),
    ),
  };
}

const clientStatus = {
  SYNCED: 'ACKED',
  STALE: 'REQUESTED',
  ERROR: 'NACKED',
  NOT_SENT: 'REQUESTED',
} as const;

function genericConfig(of: ResourceStatus, withContents: boolean): object {
  // Keys are nobody's business, as in Envoy's own config dump.
  const bytes = withContents && of.typeUrl !== SECRET ? of.resource?.bytes : undefined;
  const { nack } = of;
  return {
    type_url: of.typeUrl,
    name: of.name,
    version_info: of.version,
    config_status: of.state,
    client_status: clientStatus[of.state],
    ...(of.sentAt && { last_updated: timestamp(of.sentAt) }),
    ...(bytes && { xds_config: { type_url: of.typeUrl, value: bytes } }),
    ...(nack && {
      error_state: {
        details: nack.message,
        version_info: nack.version,
        last_update_attempt: timestamp(nack.at),
      },
    }),
  };
}

function timestamp(at: Date): object {
  const ms = at.getTime();
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}
