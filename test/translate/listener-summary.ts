// Listeners in a short form for comparison: one line a listener with its flags and listener filters, then a line for each
// chain, what it matches and where it leads. Host names lose `.default.svc.cluster.local`.
import type { FilterChain } from '../../src/envoy/gen/types/envoy/config/listener/v3/FilterChain.js';
import type { Listener } from '../../src/envoy/gen/types/envoy/config/listener/v3/Listener.js';

// biome-ignore lint/suspicious/noExplicitAny: reads messages of many types
type Any = any;

/** The lines of several listeners. */
export function summaries(listeners: readonly Listener[]): string[] {
  return listeners.flatMap(summary);
}

/** `0.0.0.0_80 [http_inspector]`, then `  raw_buffer http/1.1,h2c -> rds 80`, `  default PassthroughFilterChain -> …`. */
export function summary(listener: Listener): string[] {
  const flags = [
    listener.bind_to_port?.value === false ? '' : ' bound',
    listener.transparent?.value ? ' transparent' : '',
    ...(listener.additional_addresses ?? []).map(
      ({ address }) => ` +${address?.socket_address?.address}`,
    ),
  ].join('');
  const filters = (listener.listener_filters ?? []).map(
    ({ name, filter_disabled }) =>
      `${name?.split('.').at(-1)}${filter_disabled ? ` but ${predicate(filter_disabled)}` : ''}`,
  );
  const chains = (listener.filter_chains ?? []).map((chain) => `  ${chainLine(chain)}`);
  const last = listener.default_filter_chain;
  return [
    `${listener.name}${flags} [${filters.join(', ')}]`,
    ...chains,
    ...(last ? [`  default ${chainLine(last)}`] : []),
  ].map((line) => line.replaceAll('.default.svc.cluster.local', ''));
}

function predicate(rule: Any): string {
  if (rule.not_match) return `not ${predicate(rule.not_match)}`;
  if (rule.or_match) return rule.or_match.rules.map(predicate).join(' ');
  return String(rule.destination_port_range.start);
}

function chainLine({ name, filter_chain_match: match, filters }: FilterChain): string {
  const parts = [
    name,
    match?.destination_port ? `:${match.destination_port.value}` : undefined,
    match?.prefix_ranges?.map((r) => `${r.address_prefix}/${r.prefix_len?.value}`).join(),
    match?.server_names ? `sni ${match.server_names.join()}` : undefined,
    match?.transport_protocol,
    match?.application_protocols?.join(),
  ].filter((part) => part !== undefined && part !== '');
  return [...parts, '->', filterLine(filters?.at(-1)?.typed_config as Any)].join(' ');
}

function filterLine(config: Any): string {
  if (config.cluster) return config.cluster;
  if (config.weighted_clusters) {
    return config.weighted_clusters.clusters.map((c: Any) => `${c.weight} ${c.name}`).join(' + ');
  }
  if (config.rds) return `rds ${config.rds.route_config_name}`;
  return `http ${config.route_config.virtual_hosts[0].routes[0].route.cluster}`;
}
