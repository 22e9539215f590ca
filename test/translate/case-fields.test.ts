// For every field that a page in docs/kinds/ calls implemented there is a case that sets it; and every field that is
// not implemented says why.
import t from 'tap';
import { parse } from 'yaml';
import { fieldsOf } from '../../src/kinds/fields.js';
import { kindTable } from '../../src/kinds/kind-table.js';
import { unusedFields } from '../kinds/field-use.js';
import { findCases } from './case-files.js';

const documents = findCases().flatMap(({ documents }) =>
  documents.map((text) => parse(text) as Record<string, unknown> | null),
);

const kinds = [
  'VirtualService',
  'DestinationRule',
  'Gateway',
  'Secret',
  'ServiceEntry',
  'WorkloadEntry',
  'Sidecar',
  'Gateway.gateway.networking.k8s.io',
  'GatewayClass',
  'HTTPRoute',
  'GRPCRoute',
  'TLSRoute',
  'TCPRoute',
  'ReferenceGrant',
  'BackendTLSPolicy',
];

/** The kind as resource ids have it. */
function idKind(doc: Record<string, unknown> | null): unknown {
  const isOther = `${doc?.['apiVersion']}`.startsWith('gateway.networking.k8s.io');
  return isOther && doc?.['kind'] === 'Gateway'
    ? 'Gateway.gateway.networking.k8s.io'
    : doc?.['kind'];
}

for (const kind of kinds) {
  t.test(kind, async (t) => {
    const own = documents.filter((doc) => idKind(doc) === kind);
    t.strictSame(unusedFields(kind, own as Record<string, unknown>[]), [], 'a case for each field');
  });
}

for (const kind of [...kinds, 'WorkloadGroup', 'EnvoyFilter', 'WasmPlugin', 'MeshConfig']) {
  t.test(`${kind}: what is not implemented says why`, async (t) => {
    const fields = fieldsOf(kindTable.find((entry) => (entry.idKind ?? entry.kind) === kind)!);
    // A reason is a sentence of its own after the description; what is within is said with the whole.
    const pending = fields.filter(({ status }) => status === 'not-implemented');
    const isWithin = (path: string) =>
      pending.some((outer) => ['.', '[', '{'].some((mark) => path.startsWith(outer.path + mark)));
    const unsaid = fields.filter(
      ({ path, status, description }) =>
        !isWithin(path) &&
        (status === 'not-implemented' || description.includes('not implemented:')) &&
        !/\. [A-Z].*\.$/.test(description),
    );
    t.strictSame(
      unsaid.map(({ path }) => path),
      [],
    );
  });
}
