// The metadata of a document: Kubernetes' ObjectMeta, of which fairlead keeps name, namespace, labels, annotations
// and the time of creation.
import { z } from 'zod';
import { type Finding, Findings } from './finding.js';
import { isDnsLabel, isDnsSubdomain } from './names.js';
import type { ResourceId } from './problem.js';
import { message } from './schema.js';
import { checkSchema } from './schema-problems.js';
import { stringMap, string as text } from './values.js';

const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;
const anything = z.unknown();

const objectMeta = message({
  name: text,
  namespace: text,
  labels: stringMap,
  annotations: stringMap,
  creationTimestamp: text,
  generateName: anything,
  selfLink: anything,
  uid: anything,
  resourceVersion: anything,
  generation: z.unknown(),
  deletionTimestamp: anything,
  deletionGracePeriodSeconds: anything,
  ownerReferences: anything,
  finalizers: anything,
  managedFields: anything,
  clusterName: anything,
});

/** What fairlead keeps of the metadata of a resource. */
export interface Metadata {
  namespace: string;
  name: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  creationTimestampMs?: number;
  /** metadata.generation, where Kubernetes gave one: what status calls observedGeneration. */
  generation?: number;
}

/** How the metadata of a kind is read. */
export interface MetadataRules {
  /** The kind as resource ids have it. */
  kind: string;
  /** Used when the document gives no namespace. */
  namespace: string;
  /** Used when the document gives no name; without it, that is an error. */
  name?: string;
}

function field(metadata: unknown, key: string): unknown {
  if (metadata === null || typeof metadata !== 'object' || !Object.hasOwn(metadata, key)) {
    return undefined;
  }
  return (metadata as Record<string, unknown>)[key] ?? undefined;
}

/** The id of a document as far as its metadata can be read, however wrong the rest of it is. */
export function idOf(metadata: unknown, rules: MetadataRules): ResourceId | undefined {
  const name = field(metadata, 'name') ?? rules.name;
  const namespace = field(metadata, 'namespace') ?? rules.namespace;
  if (typeof name !== 'string' || name === '' || typeof namespace !== 'string') return undefined;
  return { kind: rules.kind, namespace: namespace || rules.namespace, name };
}

/** The metadata of a document, or what is wrong with it. Paths start at the document. */
export function readMetadata(
  metadata: unknown,
  rules: MetadataRules,
): { metadata?: Metadata; findings: Finding[] } {
  const checked = checkSchema(objectMeta, metadata ?? {});
  if (checked.findings) {
    const findings = checked.findings.map((f) => ({ ...f, path: ['metadata', ...f.path] }));
    return { findings };
  }
  const findings = new Findings();
  const { labels = {}, annotations = {}, creationTimestamp, generation } = checked.value;
  const name = checked.value.name ?? rules.name;
  const namespace = checked.value.namespace || rules.namespace;
  if (name === undefined || name === '') {
    const message = 'metadata.name must be given';
    findings.list.push({ code: 'not-a-resource', severity: 'error', message, path: ['metadata'] });
  } else if (!isDnsSubdomain(name)) {
    findings.invalid(['metadata', 'name'], `"${name.slice(0, 60)}" is not a DNS name`);
  }
  if (!isDnsLabel(namespace)) {
    findings.invalid(['metadata', 'namespace'], `"${namespace.slice(0, 60)}" is not a DNS label`);
  }
  let creationTimestampMs: number | undefined;
  if (creationTimestamp !== undefined) {
    creationTimestampMs = rfc3339.test(creationTimestamp) ? Date.parse(creationTimestamp) : NaN;
    if (Number.isNaN(creationTimestampMs)) {
      const message = 'creationTimestamp must be a time such as 2026-01-31T12:00:00Z';
      const path = ['metadata', 'creationTimestamp'];
      findings.list.push({ code: 'wrong-type', severity: 'error', message, path });
    }
  }
  if (findings.list.length > 0 || name === undefined) return { findings: findings.list };
  return {
    metadata: {
      namespace,
      name,
      labels,
      annotations,
      creationTimestampMs,
      ...(Number.isInteger(generation) && { generation: generation as number }),
    },
    findings: [],
  };
}
