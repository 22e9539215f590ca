// What the library's user may say of types (option `types`), and why a resource is missing (`resourceErrors`).
import t from 'tap';
import { decode } from '../../src/envoy/codec.js';
import type { TypeUrl } from '../../src/envoy/resource.js';
import { snapshotOf, typeSnapshot } from '../../src/snapshot/build-snapshot.js';
import { encodedResource } from '../../src/snapshot/encode.js';
import { createXdsServer, SnapshotCache } from '../../src/xds/server.js';
import { TypeRules } from '../../src/xds/type-rules.js';
import { TestClient } from './client.js';
import { type Conversation, runConversations } from './conversation.js';

const errors = (_stream: unknown, _type: string, name: string) =>
  name === 'secret' ? { code: 7, message: 'not for you' } : undefined;

const conversations: Conversation[] = [
  {
    what: 'a type of the user: by name only, and before routes',
    options: {
      rules: new TypeRules([
        {
          typeUrl: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
          wildcard: true,
          order: 'clusters',
        },
      ]),
    },
    lines: `
      set o f1 | r r1
      > ECDS
      < ECDS f1
      ack ECDS
      > RDS +r
      < RDS r1
      ack RDS
      set o f2 | r r2
      < ECDS f2
      ack ECDS
      < RDS r2`,
  },
  {
    what: 'a missing name with a reason: said once, in SotW by a response without resources',
    options: { resourceErrors: errors },
    lines: `
      set e a1
      > EDS +secret
      <s EDS
      <d EDS -secret
      ack EDS
      set e a2
      > EDS +other
      <d EDS -other
      d: ack EDS
      set e secret1
      < EDS secret1`,
  },
];
runConversations(conversations);

t.test('resource_errors on the wire, in both forms', async (t) => {
  const cache = new SnapshotCache();
  const typeUrl = 'type.googleapis.com/example.Made' as TypeUrl;
  const resource = encodedResource(typeUrl, 'a', Buffer.from('x'));
  cache.set('test', snapshotOf(new Map([[typeUrl, typeSnapshot(new Map([['a', resource]]))]])));
  const server = createXdsServer({ cache, resourceErrors: errors });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  t.teardown(() => server.close());
  for (const variant of ['sotw', 'delta'] as const) {
    const client = new TestClient({ address: `127.0.0.1:${port}`, variant });
    t.teardown(() => client.close());
    const names = ['secret', 'absent'];
    client.send({ type_url: typeUrl, resource_names: names, resource_names_subscribe: names });
    const { bytes } = await client.next();
    // The npm set of protos is older than the field: its bytes are looked for, ResourceError{name, status}.
    const name = Buffer.from([0x0a, 8, 0x0a, 6, ...Buffer.from('secret')]);
    const status = Buffer.from([0x12, 15, 8, 7, 0x12, 11, ...Buffer.from('not for you')]);
    const field = variant === 'sotw' ? 7 : 9;
    const head = Buffer.from([(field << 3) | 2, name.length + status.length]);
    t.ok(bytes.includes(Buffer.concat([head, name, status])), variant);
    const message = variant === 'sotw' ? 'DiscoveryResponse' : 'DeltaDiscoveryResponse';
    t.doesNotThrow(() => decode(`envoy.service.discovery.v3.${message}`, bytes));
  }
});
