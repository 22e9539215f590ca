// The text of the interception rules: what passes the sidecar, what does not, and in which order.
import t from 'tap';
import {
  interceptionRemoval,
  interceptionRouting,
  interceptionRules,
} from '../../src/cli/interception.js';

const uid = { by: 'uid', uid: 1337 } as const;

t.test('the plain rules, by user id', async (t) => {
  t.equal(
    interceptionRules({ family: 'ipv4', bypass: uid }),
    `*nat
:FAIRLEAD_IN - [0:0]
:FAIRLEAD_OUT - [0:0]
-A FAIRLEAD_IN -p tcp -m multiport --dports 15000,15020,15021,15090 -j RETURN
-A FAIRLEAD_IN -p tcp -j REDIRECT --to-ports 15006
-A FAIRLEAD_OUT -m owner --uid-owner 1337 -j RETURN
-A FAIRLEAD_OUT -o lo -j RETURN
-A FAIRLEAD_OUT -p tcp -j REDIRECT --to-ports 15001
-A PREROUTING -p tcp -j FAIRLEAD_IN
-A OUTPUT -p tcp -j FAIRLEAD_OUT
COMMIT
`,
  );
});

t.test('a mark replaces the user id where only one is mapped', async (t) => {
  const text = interceptionRules({ family: 'ipv4', bypass: { by: 'mark', mark: 1337 } });
  t.match(text, '-A FAIRLEAD_OUT -m mark --mark 1337 -j RETURN\n');
  t.notMatch(text, '--uid-owner');
});

t.test('exclusions stand before the redirects, per family and without duplicates', async (t) => {
  const options = {
    bypass: uid,
    excludeInboundPorts: [22, 15021],
    excludeOutboundPorts: [3306, 3306],
    excludeOutboundCidrs: ['10.0.0.0/8', 'fd00::/8'],
  };
  const lines = interceptionRules({ family: 'ipv4', ...options }).split('\n');
  const at = (line: string) => lines.indexOf(line);
  t.ok(at('-A FAIRLEAD_IN -p tcp -m multiport --dports 22,15000,15020,15021,15090 -j RETURN') > 0);
  const port = at('-A FAIRLEAD_OUT -p tcp -m multiport --dports 3306 -j RETURN');
  const cidr = at('-A FAIRLEAD_OUT -d 10.0.0.0/8 -j RETURN');
  t.ok(port > 0 && cidr > 0);
  t.ok(at('-A FAIRLEAD_OUT -p tcp -j REDIRECT --to-ports 15001') > Math.max(port, cidr));
  t.notMatch(lines.join('\n'), 'fd00::');
  t.match(interceptionRules({ family: 'ipv6', ...options }), '-d fd00::/8 -j RETURN');
});

t.test(
  'TPROXY: inbound connections keep their addresses, outbound ones are redirected',
  async (t) => {
    const options = {
      family: 'ipv4',
      bypass: uid,
      mode: 'TPROXY',
      excludeInboundPorts: [22],
    } as const;
    t.equal(
      interceptionRules(options),
      `*nat
:FAIRLEAD_OUT - [0:0]
-A FAIRLEAD_OUT -m owner --uid-owner 1337 -j RETURN
-A FAIRLEAD_OUT -o lo -j RETURN
-A FAIRLEAD_OUT -p tcp -j REDIRECT --to-ports 15001
-A OUTPUT -p tcp -j FAIRLEAD_OUT
COMMIT

*mangle
:FAIRLEAD_IN - [0:0]
-A FAIRLEAD_IN -p tcp -m multiport --dports 22,15000,15020,15021,15090 -j RETURN
-A FAIRLEAD_IN -p tcp -m conntrack --ctstate NEW -j TPROXY --on-port 15006
-A PREROUTING ! -i lo -p tcp -j FAIRLEAD_IN
-A OUTPUT -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
-A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark
COMMIT
`,
    );
    t.equal(
      interceptionRouting({ family: 'ipv4', mode: 'TPROXY' }),
      'rule add fwmark 1337 lookup 133\nroute add local 0.0.0.0/0 dev lo table 133\n',
    );
    t.equal(
      interceptionRouting({ family: 'ipv6', mode: 'TPROXY' }, 'del'),
      'rule del fwmark 1337 lookup 133\nroute del local ::/0 dev lo table 133\naddr del ::6/128 dev lo\n',
    );
    t.equal(interceptionRouting({ family: 'ipv6' }), 'addr replace ::6/128 dev lo\n');
    t.equal(interceptionRouting({ family: 'ipv4' }), '');
    const added = interceptionRules(options).match(/^-A (PREROUTING|OUTPUT) .*/gm);
    const removed = interceptionRemoval(options).match(/^-D .*/gm);
    t.same(
      removed,
      added?.map((line) => line.replace('-A', '-D')),
      'what was hooked in is taken out again',
    );
  },
);

t.test('a multiport match never has more than 15 ports', async (t) => {
  const ports = Array.from({ length: 20 }, (_, i) => 2000 + i);
  const text = interceptionRules({ family: 'ipv4', bypass: uid, excludeOutboundPorts: ports });
  const lists = [...text.matchAll(/FAIRLEAD_OUT .*--dports (\S+)/g)].map((m) => m[1]!.split(','));
  t.same(
    lists.map((list) => list.length),
    [15, 5],
  );
  t.same(lists.flat().map(Number), ports);
});

t.test('DNS capture comes first in OUTPUT and names its servers', async (t) => {
  const dns = { servers: ['127.0.0.11', '::1'] };
  const text = interceptionRules({ family: 'ipv4', bypass: uid, dns });
  t.match(text, '-I OUTPUT -p udp -d 127.0.0.11 --dport 53 -j FAIRLEAD_DNS\n');
  t.match(text, '-A FAIRLEAD_DNS -m owner --uid-owner 1337 -j RETURN\n');
  t.match(text, '-A FAIRLEAD_DNS -p udp -j REDIRECT --to-ports 15053\n');
  t.match(text, '-A FAIRLEAD_OUT -p tcp -d 127.0.0.11 --dport 53 -j RETURN\n');
  const apart = '-A OUTPUT -p udp -d 127.0.0.11 --dport 53 -m owner ! --uid-owner 1337 -j CT';
  t.match(text, `*raw\n${apart} --zone 15053\n`, 'flows are told from those of the sidecar');
  t.notMatch(text, '::1');
});

t.test('no rule flushes a built-in chain, and removal names every chain made', async (t) => {
  const options = { family: 'ipv4', bypass: uid, dns: { servers: ['127.0.0.11'] } } as const;
  const rules = interceptionRules(options);
  t.notMatch(rules, /^-F/m);
  t.notMatch(rules, /^:(PREROUTING|OUTPUT)/m);
  const removal = interceptionRemoval(options);
  for (const [, chain] of rules.matchAll(/^:(\S+) /gm))
    t.match(removal, `-F ${chain}\n-X ${chain}\n`);
  t.match(removal, '-D OUTPUT -p udp -d 127.0.0.11 --dport 53 -j FAIRLEAD_DNS');
});
