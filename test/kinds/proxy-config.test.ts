// ProxyConfig: checked, and said to have no effect, field by field with its reason.
import t from 'tap';
import { documentOf, problemLines } from './check-document.js';

const lines = (spec: object) => problemLines(documentOf('ProxyConfig', spec));

t.test('what Istio documents is read, and said to have no effect', async (t) => {
  const spec = {
    selector: { matchLabels: { app: 'ratings' } },
    concurrency: 0,
    environmentVariables: { ISTIO_META_ZONE: 'a' },
    image: { imageType: 'distroless' },
  };
  t.strictSame(lines(spec).sort(), [
    'info no-effect spec.concurrency',
    'info no-effect spec.environmentVariables',
    'info no-effect spec.image',
    'info no-effect spec.selector',
  ]);
});

t.test('mistakes', async (t) => {
  t.match(lines({ concurrency: -1 }), ['error invalid-value spec.concurrency']);
  t.match(lines({ concurency: 1 }).join(), 'unknown-field');
  t.match(lines({ selector: { matchLabels: { '': 'x' } } }).join(), 'error invalid-value');
});
