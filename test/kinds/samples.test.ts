// Every field that a page in docs/kinds/ calls implemented is accepted in a document, with no error.
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import { documentOf } from './check-document.js';
import { unusedFields } from './field-use.js';
import * as samples from './samples.js';

const documents: Record<string, unknown[]> = {
  VirtualService: samples.virtualServices.map((spec) => documentOf('VirtualService', spec)),
  DestinationRule: samples.destinationRules.map((spec) => documentOf('DestinationRule', spec)),
  EnvoyFilter: samples.envoyFilters.map((spec) => documentOf('EnvoyFilter', spec)),
  WasmPlugin: samples.wasmPlugins.map((spec) => ({
    ...documentOf('WasmPlugin', spec),
    apiVersion: 'extensions.istio.io/v1alpha1',
  })),
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
    for (const doc of docs) {
      const before = structuredClone(doc);
      const { resource, problems } = parseResource(doc);
      t.ok(resource, JSON.stringify(problems));
      t.strictSame(doc, before, 'the document is left as it was');
    }
    t.strictSame(unusedFields(kind, docs as Record<string, unknown>[]), []);
  });
}
