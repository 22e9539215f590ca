// `fairlead proxy-status`: each connected proxy, and where it stands with each type.
import { ControlPlaneError } from '../../lib/error.js';
import type { Nack, ProxyStatus } from '../../status/state.js';
import { getApi } from '../api-client.js';
import { formatAge, formatTable, type OutputFormat, print } from '../output.js';

const columns = ['CDS', 'LDS', 'EDS', 'RDS'];

/** Prints the table; exit code 1 when a proxy refuses something. */
export async function proxyStatus(options: {
  admin: string;
  proxy?: string;
  output: OutputFormat;
}): Promise<number> {
  const { items } = await getApi<{ items: ProxyStatus[] }>(options.admin, '/proxies');
  const wanted = items.filter((proxy) => matches(proxy, options.proxy));
  if (options.proxy !== undefined && wanted.length === 0) {
    throw new ControlPlaneError('no-proxy', `no proxy ${options.proxy} is connected`);
  }
  print(options.output, wanted, () => [table(wanted), ...nacks(wanted)].join('\n'));
  const refuses = (proxy: ProxyStatus) =>
    Object.values(proxy.types).some(({ state, heldBack }) => state === 'ERROR' || heldBack);
  return wanted.some(refuses) ? 1 : 0;
}

function matches(proxy: ProxyStatus, wanted: string | undefined): boolean {
  return (
    wanted === undefined ||
    proxy.id === wanted ||
    proxy.name === wanted ||
    `${proxy.name}.${proxy.namespace}` === wanted
  );
}

function table(proxies: readonly ProxyStatus[]): string {
  if (proxies.length === 0) return 'no proxy is connected';
  return formatTable(
    ['NAME', 'TYPE', ...columns, 'PROTOCOL', 'ENVOY', 'CONNECTED'],
    proxies.map((proxy) => [
      `${proxy.name}.${proxy.namespace}`,
      proxy.type,
      ...columns.map((column) => proxy.types[column]?.state ?? 'NOT SENT'),
      proxy.variant,
      proxy.envoyVersion,
      formatAge(Date.now() - proxy.connectedMs),
    ]),
  );
}

/** Envoy's message and the user's file and line, below the table, for every type in error and everything held back. */
function nacks(proxies: readonly ProxyStatus[]): string[] {
  return proxies.flatMap((proxy) =>
    Object.entries(proxy.types).flatMap(([type, { state, lastNack, heldBack }]) => {
      const who = `${proxy.name}.${proxy.namespace}`;
      const held = (heldBack ?? []).map(({ name, inForce, message, causes }) => {
        const instead = inForce === undefined ? 'left out' : 'last good version in force';
        return `\n${who} ${type} ${name} held back (${instead}): ${message}${madeOf(causes)}`;
      });
      if (state !== 'ERROR' || lastNack === undefined) return held;
      return [...held, `\n${who} refused ${type}: ${lastNack.message}${madeOf(lastNack.causes)}`];
    }),
  );
}

function madeOf(causes: Nack['causes']): string {
  const lines = causes.map(({ kind, namespace, name, position }) => {
    const where = position ? ` at ${position.file}:${position.line}:${position.col}` : '';
    return `\n    made of ${kind}/${namespace}/${name}${where}`;
  });
  return lines.join('');
}
