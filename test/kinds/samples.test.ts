// Every field that a page in docs/kinds/ calls implemented is accepted in a document, with no error.
import t from 'tap';
import { fieldsOf } from '../../src/kinds/fields.js';
import { kindTable } from '../../src/kinds/kind-table.js';
import { parseResource } from '../../src/kinds/registry.js';
import { documentOf, pathsIn } from './check-document.js';
import * as samples from './samples.js';

const documents: Record<string, unknown[]> = {
  VirtualService: samples.virtualServices.map((spec) => documentOf('VirtualService', spec)),
  DestinationRule: samples.destinationRules.map((spec) => documentOf('DestinationRule', spec)),
  Sidecar: samples.sidecars.map((spec) => documentOf('Sidecar', spec)),
  ServiceEntry: samples.serviceEntries.map((spec) => documentOf('ServiceEntry', spec)),
  WorkloadEntry: samples.workloadEntries.map((spec) => documentOf('WorkloadEntry', spec)),
  WorkloadGroup: samples.workloadGroups.map((spec) => documentOf('WorkloadGroup', spec)),
  MeshConfig: samples.meshConfigs.map((spec) => documentOf('MeshConfig', spec)),
  Service: samples.services.map((spec) => documentOf('Service', spec)),
  EndpointSlice: [topLevel('EndpointSlice', samples.endpointSlice)],
  Endpoints: [topLevel('Endpoints', samples.endpoints)],
};

function topLevel(kind: string, fields: object): Record<string, unknown> {
  const { spec, ...rest } = documentOf(kind, undefined);
  return { ...rest, ...fields };
}

for (const [kind, docs] of Object.entries(documents)) {
  t.test(kind, async (t) => {
    const entry = kindTable.find((e) => e.kind === kind)!;
    const fields = fieldsOf(entry);
    const known = new Set(fields.map((field) => field.path));
    for (const field of fields) {
      // Below a message that was listed further up, its fields have their names there.
      const inner = fields.filter((f) => f.path.startsWith(`${field.sameAs}.`));
      const base = field.path + (field.sameAs?.endsWith('[]') ? '[]' : '');
      for (const f of inner) known.add(base + f.path.slice(field.sameAs!.length));
    }
    const used = new Set<string>();
    for (const doc of docs as Record<string, unknown>[]) {
      const before = structuredClone(doc);
      const { resource, problems } = parseResource(doc);
      t.ok(resource, JSON.stringify(problems));
      const at = entry.specAt === 'spec' ? 'spec' : '';
      const { apiVersion, kind, metadata, ...top } = doc;
      for (const path of pathsIn(at === '' ? top : doc['spec'], at, known)) used.add(path);
      t.strictSame(doc, before, 'the document is left as it was');
    }
    const unused = fields
      .filter((field) => field.status === 'implemented' && !used.has(field.path))
      .map((field) => field.path)
      .filter((path) => !usedElsewhere(path, fields, used));
    t.strictSame(unused, []);
  });
}

/** Fields of this name used under a message that is listed as the same. */
function usedElsewhere(
  path: string,
  fields: readonly { path: string; sameAs?: string }[],
  used: ReadonlySet<string>,
): boolean {
  return fields.some(({ path: other, sameAs }) => {
    if (sameAs === undefined || !path.startsWith(`${sameAs}.`)) return false;
    const base = other + (sameAs.endsWith('[]') ? '[]' : sameAs.endsWith('{}') ? '{}' : '');
    const moved = base + path.slice(sameAs.length);
    return used.has(moved) || usedElsewhere(moved, fields, used);
  });
}
