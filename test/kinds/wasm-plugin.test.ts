// WasmPlugin: the rules of what a plugin is for, each by a document that breaks it, after Istio's validation.
import t from 'tap';
import { documentOf, problemLines } from './check-document.js';

const plugin = (spec: object) => ({
  ...documentOf('WasmPlugin', { url: 'file:///a.wasm', ...spec }),
  apiVersion: 'extensions.istio.io/v1alpha1',
});
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' };

const cases: [string, unknown, string[]][] = [
  ['of a gateway', plugin({ targetRef: gateway }), []],
  [
    'of a target that is none',
    plugin({ targetRefs: [{ ...gateway, kind: 'Foo' }] }),
    ['error invalid-value spec.targetRefs[0].kind'],
  ],
  ['a selector without labels', plugin({ selector: {} }), ['warning invalid-value spec.selector']],
  [
    'a selector with wildcards',
    plugin({ selector: { matchLabels: { app: '*' } } }),
    ['error invalid-value spec.selector.matchLabels.app'],
  ],
];

for (const [name, doc, expected] of cases) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}
