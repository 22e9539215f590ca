// The bytes of a ClusterLoadAssignment straight from endpoints. There are ten times as many endpoints as of anything
// else, and their messages would be made only to be encoded. What the message is, is endpoint.ts.
import type { PlainWriter } from '../envoy/plain-writer.js';
import type { Endpoint } from '../mesh/endpoint.js';
import type { Locality } from '../mesh/proxy.js';
import { isAlike, workloadText } from './endpoint.js';
import { type Group, weightOf } from './placement.js';

/** The tag of a field that a length goes before: a string or a message. */
const delimited = (field: number) => (field << 3) | 2;
/** The tag of a number, a bool or an enum. */
const varint = (field: number) => field << 3;

/** Tags by message, from Envoy's protos. */
const tags = {
  assignment: { clusterName: delimited(1), endpoints: delimited(2) },
  group: {
    locality: delimited(1),
    lbEndpoints: delimited(2),
    loadBalancingWeight: delimited(3),
    priority: varint(5),
  },
  locality: { region: delimited(1), zone: delimited(2), subZone: delimited(3) },
  lbEndpoint: {
    endpoint: delimited(1),
    healthStatus: varint(2),
    metadata: delimited(3),
    loadBalancingWeight: delimited(4),
  },
  endpoint: { address: delimited(1) },
  address: { socketAddress: delimited(1), pipe: delimited(2) },
  pipe: { path: delimited(1) },
  socketAddress: { address: delimited(2), portValue: varint(3) },
  metadata: { filterMetadata: delimited(1) },
  struct: { fields: delimited(1) },
  value: { stringValue: delimited(3) },
  uint32Value: { value: varint(1) },
  map: { key: delimited(1), value: delimited(2) },
} as const;

const health = { healthy: 1, unhealthy: 2 } as const;

/** Writes what `encode` gives for the message of these groups (endpoint.ts, loadAssignment). */
export function writeAssignment(
  writer: PlainWriter,
  clusterName: string,
  groups: readonly Group[],
): void {
  writeText(writer, tags.assignment.clusterName, clusterName);
  for (const group of groups) {
    writer.uint32(tags.assignment.endpoints);
    const start = writer.startDelimited();
    writeLocality(writer, group.locality);
    writeMembers(writer, group.endpoints);
    writeNumber(writer, tags.group.loadBalancingWeight, group.weight);
    if (group.priority > 0) {
      writer.uint32(tags.group.priority);
      writer.uint32(group.priority);
    }
    writer.endDelimited(start);
  }
}

function writeLocality(writer: PlainWriter, { region, zone, subzone }: Locality): void {
  writer.uint32(tags.group.locality);
  const start = writer.startDelimited();
  writeText(writer, tags.locality.region, region);
  writeText(writer, tags.locality.zone, zone);
  writeText(writer, tags.locality.subZone, subzone);
  writer.endDelimited(start);
}

function writeMembers(writer: PlainWriter, endpoints: readonly Endpoint[]): void {
  let last: Endpoint | undefined;
  let restLength = 0;
  for (const endpoint of endpoints) {
    const lastEnd = writer.pos;
    writer.uint32(tags.group.lbEndpoints);
    const start = writer.startDelimited();
    writeAddress(writer, endpoint);
    if (last !== undefined && isAlike(last, endpoint)) {
      writer.repeat(lastEnd - restLength, restLength);
    } else {
      const restStart = writer.pos;
      writeRest(writer, endpoint);
      restLength = writer.pos - restStart;
    }
    writer.endDelimited(start);
    last = endpoint;
  }
}

function writeAddress(writer: PlainWriter, { address, port, unixSocket }: Endpoint): void {
  writer.uint32(tags.lbEndpoint.endpoint);
  const endpoint = writer.startDelimited();
  writer.uint32(tags.endpoint.address);
  const either = writer.startDelimited();
  writer.uint32(unixSocket ? tags.address.pipe : tags.address.socketAddress);
  const place = writer.startDelimited();
  writeText(writer, unixSocket ? tags.pipe.path : tags.socketAddress.address, address);
  if (!unixSocket) {
    // One of two ways to say it, so that 0 is written, too.
    writer.uint32(tags.socketAddress.portValue);
    writer.uint32(port);
  }
  writer.endDelimited(place);
  writer.endDelimited(either);
  writer.endDelimited(endpoint);
}

/** All of an LbEndpoint but its address. */
function writeRest(writer: PlainWriter, endpoint: Endpoint): void {
  writer.uint32(tags.lbEndpoint.healthStatus);
  writer.uint32(endpoint.healthy ? health.healthy : health.unhealthy);
  writer.uint32(tags.lbEndpoint.metadata);
  const metadata = writer.startDelimited();
  const struct = startEntry(writer, tags.metadata.filterMetadata, 'istio');
  const value = startEntry(writer, tags.struct.fields, 'workload');
  writeText(writer, tags.value.stringValue, workloadText(endpoint));
  endEntry(writer, value);
  endEntry(writer, struct);
  writer.endDelimited(metadata);
  writeNumber(writer, tags.lbEndpoint.loadBalancingWeight, weightOf(endpoint));
}

/** An entry of a map, and in it its value. */
function startEntry(writer: PlainWriter, tag: number, key: string): readonly [number, number] {
  writer.uint32(tag);
  const entry = writer.startDelimited();
  writeText(writer, tags.map.key, key);
  writer.uint32(tags.map.value);
  return [entry, writer.startDelimited()];
}

function endEntry(writer: PlainWriter, [entry, value]: readonly [number, number]): void {
  writer.endDelimited(value);
  writer.endDelimited(entry);
}

/** Nothing for an empty one. */
function writeText(writer: PlainWriter, tag: number, text: string): void {
  if (text === '') return;
  writer.uint32(tag);
  writer.string(text);
}

/** A UInt32Value. */
function writeNumber(writer: PlainWriter, tag: number, value: number): void {
  writer.uint32(tag);
  const start = writer.startDelimited();
  if (value !== 0) {
    writer.uint32(tags.uint32Value.value);
    writer.uint32(value);
  }
  writer.endDelimited(start);
}
