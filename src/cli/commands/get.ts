// `fairlead get KIND [NAME]`: resources in force with their status, as kubectl shows them; of a server, or of a
// directory (where no router is, so that nothing is programmed).

import { kindTable } from '../../kinds/kind-table.js';
import { resourceKey } from '../../kinds/problem.js';
import { didYouMean } from '../../kinds/suggest.js';
import { asWritten, entryOf, shownAnnotations } from '../../kinds/written.js';
import { ControlPlaneError } from '../../lib/error.js';
import { statusOf } from '../../mesh/gateway-api/status.js';
import type { ResourceStatus } from '../../status/state.js';
import { getApi } from '../api-client.js';
import { loadOffline } from '../offline.js';
import { formatAge, formatTable, type OutputFormat, print } from '../output.js';

export interface GetOptions {
  kind: string;
  name?: string;
  namespace?: string;
  config?: string;
  meshConfig?: string;
  admin: string;
  output: OutputFormat;
}

/** Prints the resources; exit code 1 when one is asked for by name and not there. */
export async function get(options: GetOptions): Promise<number> {
  const kinds = kindsNamed(options.kind);
  const found = (await readResources(options, kinds)).filter(
    ({ kind, name, namespace }) =>
      kinds.includes(kind) &&
      (options.name === undefined || name === options.name) &&
      (options.namespace === undefined || isMeshWide(kind) || namespace === options.namespace),
  );
  if (found.length === 0 && options.name !== undefined) {
    throw new ControlPlaneError('not-found', `no ${options.kind} ${options.name} is in force`);
  }
  const manifests = found.map(manifestOf);
  const [first] = manifests;
  const value =
    options.name !== undefined && manifests.length === 1
      ? first
      : { apiVersion: 'v1', kind: 'List', items: manifests };
  print(options.output, value, () => table(found));
  return 0;
}

function isMeshWide(kind: string): boolean {
  return entryOf(kind)?.scope === 'mesh';
}

/** kubectl's ways to name a kind: in any case, in the plural, with the group after it. Two kinds are named Gateway. */
function kindsNamed(text: string): readonly string[] {
  const [word = '', ...group] = text.toLowerCase().split('.');
  const wanted = group.join('.');
  const found = kindTable.filter(
    ({ kind, group: own }) =>
      plurals(kind).includes(word) && (wanted === '' || own === wanted || own.startsWith(wanted)),
  );
  if (found.length > 0) return found.map(({ kind, idKind }) => idKind ?? kind);
  const hint = didYouMean(
    text,
    kindTable.map(({ kind }) => kind.toLowerCase()),
  );
  throw new ControlPlaneError('usage', `there is no kind ${text.slice(0, 60)}${hint}`);
}

const shortNames: Readonly<Record<string, string>> = {
  gateway: 'gtw',
  gatewayclass: 'gc',
  service: 'svc',
  namespace: 'ns',
  configmap: 'cm',
  virtualservice: 'vs',
  destinationrule: 'dr',
  serviceentry: 'se',
  workloadentry: 'we',
  referencegrant: 'refgrant',
  backendtlspolicy: 'btlspolicy',
};

function plurals(kind: string): string[] {
  const word = kind.toLowerCase();
  const short = shortNames[word];
  return [
    word,
    `${word}s`,
    `${word}es`,
    `${word.replace(/y$/, '')}ies`,
    ...(short === undefined ? [] : [short]),
  ];
}

async function readResources(
  options: GetOptions,
  kinds: readonly string[],
): Promise<readonly ResourceStatus[]> {
  if (options.config !== undefined) return offlineResources(options.config, options.meshConfig);
  const lists = await Promise.all(
    kinds.map((kind) =>
      getApi<{ items: ResourceStatus[] }>(
        options.admin,
        `/resources?kind=${encodeURIComponent(kind)}`,
      ),
    ),
  );
  return lists.flatMap(({ items }) => items);
}

async function offlineResources(config: string, meshConfig?: string): Promise<ResourceStatus[]> {
  const { generation, mesh } = await loadOffline(config, meshConfig);
  const nobody = { programmed: () => false, addresses: () => [] };
  return [...generation.resources.values()].map((resource) => {
    const { kind, namespace, name, apiVersion, labels, age } = resource;
    const annotations = shownAnnotations(resource);
    const status = statusOf(mesh.gatewayApi, resource, nobody);
    return {
      ...{ kind, namespace, name, apiVersion, labels, annotations },
      ...(resource.generation !== undefined && { generation: resource.generation }),
      ...(age.timestampMs !== undefined && { creationTimestampMs: age.timestampMs }),
      spec: asWritten(kind, resource.spec),
      ...(status && { status }),
    };
  });
}

/** The resource as a manifest. */
function manifestOf(resource: ResourceStatus): Record<string, unknown> {
  const { kind, apiVersion, namespace, name, labels, annotations, generation } = resource;
  const entry = entryOf(kind);
  const { creationTimestampMs, spec, status } = resource;
  return {
    apiVersion,
    kind: entry?.kind ?? kind,
    metadata: {
      name,
      ...(!isMeshWide(kind) && { namespace }),
      ...(creationTimestampMs !== undefined && {
        creationTimestamp: new Date(creationTimestampMs).toISOString().replace('.000', ''),
      }),
      ...(generation !== undefined && { generation }),
      ...(Object.keys(labels).length > 0 && { labels }),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    ...(entry?.specAt === 'top-level' ? (spec as object) : { spec }),
    ...(status && { status }),
  };
}

interface Conditioned {
  conditions?: { type: string; status: string }[];
  parents?: Conditioned[];
  ancestors?: Conditioned[];
}

function table(resources: readonly ResourceStatus[]): string {
  if (resources.length === 0) return 'no resources found';
  const several = new Set(resources.map(({ kind }) => kind)).size > 1;
  const rows = [...resources]
    .sort(byKey)
    .map((resource) => [
      resource.namespace,
      several ? `${resource.kind}/${resource.name}` : resource.name,
      conditionsText(resource.status as Conditioned | undefined),
      resource.creationTimestampMs === undefined
        ? ''
        : formatAge(Date.now() - resource.creationTimestampMs),
      resource.position ? `${resource.position.file}:${resource.position.line}` : '',
    ]);
  return formatTable(['NAMESPACE', 'NAME', 'STATUS', 'AGE', 'FILE'], rows);
}

function byKey(a: ResourceStatus, b: ResourceStatus): number {
  return resourceKey(a) < resourceKey(b) ? -1 : 1;
}

/** `Accepted, ResolvedRefs`, and with `!` before what is not so; of several parents each once. */
function conditionsText(status: Conditioned | undefined): string {
  if (status === undefined) return '';
  const all = [status, ...(status.parents ?? []), ...(status.ancestors ?? [])];
  const texts = all.flatMap(({ conditions = [] }) =>
    conditions.map(({ type, status: is }) => `${is === 'True' ? '' : '!'}${type}`),
  );
  return [...new Set(texts)].join(', ');
}
