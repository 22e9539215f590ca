import t from 'tap';
import { meshSettings } from '../../src/mesh/mesh-settings.js';
import { make } from './resources.js';

const policy = (spec: object) =>
  meshSettings(make('MeshConfig', 'mesh', spec)).outboundTrafficPolicy;

t.test('unknown hosts', async (t) => {
  t.equal(meshSettings().outboundTrafficPolicy, 'ALLOW_ANY');
  t.equal(policy({}), 'ALLOW_ANY');
  t.equal(policy({ outboundTrafficPolicy: {} }), 'REGISTRY_ONLY', 'the zero value, as in Istio');
  t.equal(policy({ outboundTrafficPolicy: { mode: 'ALLOW_ANY' } }), 'ALLOW_ANY');
});
