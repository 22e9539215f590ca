import t from 'tap';
import { overBackendPolicy } from '../../src/mesh/backend-policy.js';

const tls = { mode: 'SIMPLE', sni: 'policy' } as const;
const own = { mode: 'DISABLE' } as const;
const random = { simple: 'RANDOM' } as const;
const pool = { tcp: { maxConnections: 1 } };
const port = { number: 80 };

t.test('section by section, the rule of the user first', async (t) => {
  t.strictSame(overBackendPolicy({ loadBalancer: random }, { tls }), { loadBalancer: random, tls });
  t.strictSame(overBackendPolicy({ tls: own }, { tls }), { tls: own });
});

t.test('settings of a port have what the other side says of the host', async (t) => {
  const { portLevelSettings: ofRule } = overBackendPolicy(
    { portLevelSettings: [{ port, loadBalancer: random }] },
    { tls },
  );
  t.match(ofRule, [{ port, loadBalancer: random, tls }]);
  const { portLevelSettings: ofPolicy } = overBackendPolicy(
    { connectionPool: pool, tls: own },
    { portLevelSettings: [{ port, tls }] },
  );
  t.match(ofPolicy, [{ port, connectionPool: pool, tls }]);
});

t.test('settings of one port on both sides are one', async (t) => {
  const { portLevelSettings } = overBackendPolicy(
    { portLevelSettings: [{ port, connectionPool: pool }] },
    { tls: own, portLevelSettings: [{ port, tls }] },
  );
  t.equal(portLevelSettings?.length, 1);
  t.match(portLevelSettings, [{ port, connectionPool: pool, tls }]);
});
