// The files of a case: test/cases/NAME/in.yaml (what a user writes), case.yaml (whose view, and which slice of it is
// under test) and out/ (the expected Envoy resources). Reading, comparing and updating; no translation here.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { ProxyNode } from '../../src/mesh/proxy.js';
import { TestCa } from '../xds/certificates.js';

const root = fileURLToPath(new URL('../cases', import.meta.url));

export const slices = ['clusters', 'endpoints', 'listeners', 'routes'] as const;
/** Shown only where a case asks for them. */
const rareSlices = ['extensions', 'secrets'] as const;
export type Slice = (typeof slices)[number] | (typeof rareSlices)[number];

export interface Case {
  name: string;
  /** One document each, without the separators. */
  documents: readonly string[];
  proxies: readonly CaseProxy[];
  /** Slice -> names to show, with `*` for any text. */
  show: ReadonlyMap<Slice, readonly string[]>;
}

export interface CaseProxy {
  name: string;
  node: ProxyNode;
}

/** The short form of a proxy in case.yaml; `node` is for what the short form does not say. */
interface ProxyText {
  name?: string;
  namespace?: string;
  ip?: string;
  ips?: string[];
  type?: string;
  labels?: Record<string, string>;
  mode?: string;
  /** `grpc`: a gRPC client. */
  generator?: string;
  /** More node metadata. */
  metadata?: Record<string, unknown>;
  node?: Partial<ProxyNode>;
}

interface CaseText {
  proxies?: ProxyText[];
  show?: Slice[] | Partial<Record<Slice, string[]>>;
}

/** All cases, by name. */
export function findCases(): Case[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => readCase(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readCase(name: string): Case {
  const text = parse(readFileSync(join(root, name, 'case.yaml'), 'utf8')) as CaseText;
  const input = withCertificates(readFileSync(join(root, name, 'in.yaml'), 'utf8'));
  const show = text.show ?? [...slices];
  const entries = Array.isArray(show)
    ? show.map((slice) => [slice, ['*']] as const)
    : (Object.entries(show) as [Slice, string[]][]);
  for (const [slice] of entries) {
    if (![...slices, ...rareSlices].includes(slice))
      throw new Error(`${name}/case.yaml: no slice "${slice}"`);
  }
  return {
    name,
    documents: input.split(/^---\n/m).filter((document) => document.trim() !== ''),
    proxies: (text.proxies ?? [{}]).map(toProxy),
    show: new Map<Slice, readonly string[]>(entries),
  };
}

const ca = new TestCa();
const leaf = ca.issue({ names: ['example.com'] });
const others = ca.issue();

/** Keys are not committed: $CERTIFICATE and $KEY are made for the run, and so are $CA and $OTHER_KEY. */
function withCertificates(text: string): string {
  return text
    .replaceAll('$CERTIFICATE', () => JSON.stringify(leaf.cert))
    .replaceAll('$KEY', () => JSON.stringify(leaf.key))
    .replaceAll('$OTHER_KEY', () => JSON.stringify(others.key))
    .replaceAll('$CA', () => JSON.stringify(ca.cert));
}

function toProxy(text: ProxyText): CaseProxy {
  const name = text.name ?? 'client';
  const namespace = text.namespace ?? 'default';
  const ips = text.ips ?? [text.ip ?? '10.0.0.1'];
  const node: ProxyNode = {
    id: `${text.type ?? 'sidecar'}~${ips[0]}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: `${name}.${namespace}`,
    metadata: {
      NAMESPACE: namespace,
      INSTANCE_IPS: ips.join(','),
      LABELS: text.labels ?? {},
      ...(text.generator && { GENERATOR: text.generator }),
      ...(text.mode && { INTERCEPTION_MODE: text.mode }),
      ...text.metadata,
    },
    ...text.node,
  };
  return { name, node };
}

/** Whether a name matches one of the patterns. */
export function matches(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(name);
  });
}

/** The expected files of a case, by name. */
export function readExpected(name: string): Map<string, string> {
  const dir = join(root, name, 'out');
  if (!existsSync(dir)) return new Map();
  return new Map(readdirSync(dir).map((file) => [file, readFileSync(join(dir, file), 'utf8')]));
}

/** Makes the files of a case what they are now; those of old that are gone are deleted. */
export function writeExpected(name: string, files: ReadonlyMap<string, string>): void {
  const dir = join(root, name, 'out');
  mkdirSync(dir, { recursive: true });
  for (const old of readExpected(name).keys()) if (!files.has(old)) rmSync(join(dir, old));
  for (const [file, text] of files) writeFileSync(join(dir, file), text);
}
