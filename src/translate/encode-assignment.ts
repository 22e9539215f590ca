// The bytes of a ClusterLoadAssignment straight from endpoints. There are ten times as many endpoints as of anything
// else, and their messages would be made only to be encoded. What differs from one to the next, the address, is written
// here; all else as any message is, once for endpoints that follow one another and have it in common.
import { writeMessage } from '../envoy/codec.js';
import type { PlainWriter } from '../envoy/plain-writer.js';
import type { Endpoint } from '../mesh/endpoint.js';
import { groupFields, isAlike, memberFields } from './endpoint.js';
import type { Group } from './placement.js';

const GROUP = 'envoy.config.endpoint.v3.LocalityLbEndpoints';
const MEMBER = 'envoy.config.endpoint.v3.LbEndpoint';

/** Tags of Envoy's protos: the number of the field, and 2 for a length that goes before it or 0 for a number. */
const tags = {
  clusterName: (1 << 3) | 2,
  /** ClusterLoadAssignment.endpoints, LocalityLbEndpoints.lb_endpoints. */
  endpoints: (2 << 3) | 2,
  /** LbEndpoint.endpoint, Endpoint.address, Address.socket_address, Pipe.path. */
  first: (1 << 3) | 2,
  pipe: (2 << 3) | 2,
  address: (2 << 3) | 2,
  port: 3 << 3,
} as const;

/** Writes what `encode` gives for the message of these groups (endpoint.ts, loadAssignment). */
export function writeAssignment(
  writer: PlainWriter,
  clusterName: string,
  groups: readonly Group[],
): void {
  writer.uint32(tags.clusterName);
  writer.string(clusterName);
  for (const group of groups) {
    const { locality, ...rest } = groupFields(group);
    writer.uint32(tags.endpoints);
    const start = writer.startDelimited();
    writeMessage(writer, GROUP, { locality });
    writeMembers(writer, group.endpoints);
    writeMessage(writer, GROUP, rest);
    writer.endDelimited(start);
  }
}

function writeMembers(writer: PlainWriter, endpoints: readonly Endpoint[]): void {
  let last: Endpoint | undefined;
  let restLength = 0;
  for (const endpoint of endpoints) {
    const lastEnd = writer.pos;
    writer.uint32(tags.endpoints);
    const start = writer.startDelimited();
    writeAddress(writer, endpoint);
    if (last !== undefined && isAlike(last, endpoint)) {
      writer.repeat(lastEnd - restLength, restLength);
    } else {
      const restStart = writer.pos;
      writeMessage(writer, MEMBER, memberFields(endpoint));
      restLength = writer.pos - restStart;
    }
    writer.endDelimited(start);
    last = endpoint;
  }
}

/** LbEndpoint.endpoint. */
function writeAddress(writer: PlainWriter, { address, port, unixSocket }: Endpoint): void {
  writer.uint32(tags.first);
  const endpoint = writer.startDelimited();
  writer.uint32(tags.first);
  const either = writer.startDelimited();
  writer.uint32(unixSocket ? tags.pipe : tags.first);
  const place = writer.startDelimited();
  if (address !== '') {
    writer.uint32(unixSocket ? tags.first : tags.address);
    writer.string(address);
  }
  if (!unixSocket) {
    writer.uint32(tags.port);
    writer.uint32(port);
  }
  writer.endDelimited(place);
  writer.endDelimited(either);
  writer.endDelimited(endpoint);
}
