// The probe of a WorkloadGroup for one of its sidecars, in users' words with Istio's defaults (pkg/istio-agent/health):
// what is asked, where, and how often. Who runs it is said by the sidecar: its Envoy, or an agent beside it.
import type { Resource } from '../kinds/resource.js';
import type { WorkloadGroupSpec } from '../kinds/workload-group.js';
import { ipFamily } from '../lib/ip.js';
import { memoize } from '../lib/memo.js';
import type { Proxy as ConnectedProxy } from './proxy.js';

/** A probe that an Envoy can run. */
export interface Probe {
  method: ProbeMethod;
  /** The IP address that is asked, and its port. */
  address: string;
  port: number;
  initialDelayS: number;
  timeoutS: number;
  periodS: number;
  successThreshold: number;
  failureThreshold: number;
}

/** What is asked. Anything but a connection is asked as `authority`. */
export type ProbeMethod =
  | { kind: 'tcp' }
  | {
      kind: 'http';
      authority: string;
      path: string;
      tls: boolean;
      headers: readonly { name: string; value: string }[];
    }
  | { kind: 'grpc'; authority: string; service: string };

type Written = NonNullable<WorkloadGroupSpec['probe']>;

/**
 * The probe of a group for a sidecar; undefined without one, without an address to ask, and where Envoy cannot do it
 * (`exec`, hosts that are names; the checks of the kind say so). The same object for the same arguments.
 */
export const probeOf = memoize(
  ({ spec }: Resource<WorkloadGroupSpec>, { ips }: ConnectedProxy): Probe | undefined => {
    const { probe } = spec;
    const ip = ips[0];
    if (!probe || ip === undefined) return undefined;
    const target = targetOf(probe, ip);
    const method = target && methodOf(probe, target);
    if (target === undefined || method === undefined) return undefined;
    return {
      method,
      ...target,
      initialDelayS: probe.initialDelaySeconds ?? 0,
      timeoutS: probe.timeoutSeconds || 1,
      periodS: probe.periodSeconds || 10,
      successThreshold: probe.successThreshold || 1,
      failureThreshold: probe.failureThreshold || 1,
    };
  },
);

/** Whether the health of a group's sidecar is told, so that it is not called before it is known to be well. */
export function isProbed(group: Resource<WorkloadGroupSpec>, proxy: ConnectedProxy): boolean {
  // The agent has the probe from its own file, not from us.
  if (proxy.healthFrom === 'agent') return true;
  return proxy.healthFrom === 'envoy' && probeOf(group, proxy) !== undefined;
}

/** The workload's own first address where the probe names none, as in Istio. */
function targetOf(
  { httpGet, tcpSocket, grpc }: Written,
  ip: string,
): { address: string; port: number } | undefined {
  const port = (httpGet ?? tcpSocket ?? grpc)?.port;
  const host = httpGet?.host || tcpSocket?.host;
  const address = host ? probeAddress(host) : ip;
  return port === undefined || address === undefined ? undefined : { address, port };
}

/** The address of a probe's `host`; undefined for names and zones (`%eth0`), which Envoy does not take for health checks. */
function probeAddress(host: string): string | undefined {
  if (host === 'localhost') return '127.0.0.1';
  return ipFamily(host) === 0 || host.includes('%') ? undefined : host;
}

function methodOf(
  { httpGet, grpc }: Written,
  { address, port }: { address: string; port: number },
): ProbeMethod {
  const authority = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  if (grpc) return { kind: 'grpc', authority, service: grpc.service ?? '' };
  if (!httpGet) return { kind: 'tcp' };
  const headers = (httpGet.httpHeaders ?? []).map(({ name = '', value = '' }) => ({ name, value }));
  const isHost = ({ name }: { name: string }) => name.toLowerCase() === 'host';
  return {
    kind: 'http',
    authority: headers.find(isHost)?.value || authority,
    path: pathOf(httpGet.path),
    tls: httpGet.scheme === 'HTTPS',
    headers: headers.filter((header) => !isHost(header)),
  };
}

/** What cannot stand in a request line is escaped, as URLs are when they are asked for. */
function pathOf(path = ''): string {
  // By bytes: a text that is cut in the middle of a character has no escape of its own.
  const escaped = [...Buffer.from(path)]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
  return path.startsWith('/') ? escaped : `/${escaped}`;
}
