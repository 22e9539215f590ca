// The protocol's rules and the bugs that other servers had, one conversation each, in both variants (a rule number
// is that of docs on the protocol; repository#number is a known bug elsewhere). The language is in conversation.ts.

import t from 'tap';
import { CLUSTER } from '../../src/envoy/resource.js';
import { standIn } from '../../src/xds/stand-in.js';
import { type Conversation, runConversations, Talk } from './conversation.js';

const conversations: Conversation[] = [
  {
    what: 'boot in the order of Envoy',
    lines: `
      set c a1 | e a1 | l x1 | r r1
      > CDS
      < CDS a1
      > EDS +a
      < EDS a1
      ack CDS
      ack EDS
      > LDS
      < LDS x1
      > RDS +r
      < RDS r1
      ack LDS
      ack RDS`,
  },
  {
    what: 'subscribed before there is a state: answered when it comes',
    lines: `
      > CDS
      > EDS +a
      set c a1 | e a1
      < CDS a1
      < EDS a1`,
  },
  {
    what: 'GCP#927, #473: a wildcard is answered at once, even when there is nothing',
    lines: `
      set c
      > CDS
      < CDS
      ack CDS
      > LDS
      < LDS
      ack LDS`,
  },
  {
    what: 'GCP#46, #794; kgateway#14701; istio#21111: a refusal is answered when the content changes, not before',
    lines: `
      set c a1 b1
      > CDS
      < CDS a1 b1
      nack CDS Error adding/updating cluster(s) b: bad
      repeat CDS
      set c a1 b1
      set c a1 b2
      <s CDS a1 b2
      <d CDS a1 b2
      ack CDS`,
  },
  {
    what: 'the refused change taken back is sent, as nothing is known of what the client kept',
    lines: `
      set e a1 b1
      > EDS +a +b
      < EDS a1 b1
      ack EDS
      set e a1 b2
      < EDS b2
      nack EDS bad
      set e a2 b1
      < EDS a2 b1`,
  },
  {
    what: 'a NACK may carry new names: they are answered, the refused one is not',
    lines: `
      set e a1 b1
      > EDS +a
      < EDS a1
      nack EDS bad
      > EDS +b
      < EDS b1`,
  },
  {
    what: 'contour#1187, JCP#70, osm#3258: a stale nonce takes nothing over; the names come with the ACK',
    only: 'sotw',
    lines: `
      set e a1 b1 c1
      > EDS +a
      < EDS a1
      ack EDS
      set e a2 b1 c1
      < EDS a2
      old EDS +b
      ack EDS
      < EDS b1
      ack EDS`,
  },
  {
    what: 'istio#53302: delta honours subscriptions under any nonce',
    only: 'delta',
    lines: `
      set e a1 b1 c1
      > EDS +a
      < EDS a1
      ack EDS
      set e a2 b1 c1
      < EDS a2
      old EDS +b
      ack EDS
      < EDS b1
      ack EDS`,
  },
  {
    what: 'istio#51612: a request without a nonce is no ACK',
    only: 'delta',
    lines: `
      set e a1 b1
      > EDS +a
      < EDS a1
      > EDS +b
      ack EDS
      < EDS b1`,
  },
  {
    what: 'istio#11170, envoy#30155: the first request is answered whatever nonce it carries',
    lines: `
      set r r1
      alien RDS +r
      < RDS r1
      ack RDS
      set r r2
      < RDS r2`,
  },
  {
    what: 'GCP#431, #583: dropped and taken again is sent again',
    lines: `
      set e a1 b1
      > EDS +a +b
      < EDS a1 b1
      ack EDS
      > EDS -a
      > EDS +a
      < EDS a1
      ack EDS
      > EDS -a -b
      > EDS +b
      < EDS b1`,
  },
  {
    what: 'GCP#1450: delta answers every name subscribed, known or not; an ACK with names is both',
    only: 'delta',
    lines: `
      set e a1 b1
      > EDS +a
      < EDS a1
      ack EDS +a +b
      < EDS a1 b1`,
  },
  {
    what: 'GCP#1319, #1318, JCP#127: what exists is sent, the rest when it appears, the ACK is no new question',
    lines: `
      set e a1
      > EDS +a +none
      <s EDS a1
      <d EDS a1 -none
      ack EDS
      repeat EDS
      set e a1 none1
      < EDS none1
      ack EDS
      set e a2 none1
      < EDS a2`,
  },
  {
    what: 'named CDS and LDS: the set without the missing one, at once',
    lines: `
      set l x1
      > LDS +x +none
      <s LDS x1
      <d LDS x1 -none
      ack LDS
      set l x1 none1
      <s LDS none1 x1
      <d LDS none1`,
  },
  {
    what: 'a gRPC client: everything by name, nothing else asked for is awaited',
    only: 'sotw',
    lines: `
      set c a1 b1 | e a1 b1 | l x1 | r r1
      > LDS +x
      < LDS x1
      ack LDS
      > RDS +r
      < RDS r1
      ack RDS
      > CDS +a
      < CDS a1
      ack CDS
      > EDS +a
      < EDS a1
      ack EDS
      set c a1 b2 | e a1 b2 | l x1 | r r1
      set c a1 b2 | e a2 b2 | l x1 | r r2
      < EDS a2
      ack EDS
      < RDS r2`,
  },
  {
    what: 'unknown named endpoints and routes answered empty, then for real',
    options: { unknownNamed: standIn },
    lines: `
      set e a1
      > EDS +a +none
      < EDS a1 none0
      ack EDS
      > RDS +r
      < RDS r0
      ack RDS
      set e a1 none1 | r r1
      < EDS none1
      ack EDS
      < RDS r1
      ack RDS
      set e a1
      <d EDS -none
      <d RDS -r`,
  },
  {
    what: 'xDS wildcard example: *, A, then without *, then without A',
    only: 'sotw',
    lines: `
      set c a1 b1
      > CDS
      < CDS a1 b1
      ack CDS
      > CDS +* +a
      < CDS a1 b1
      ack CDS
      > CDS -*
      ack CDS
      set c a1 b2
      set c a2 b2
      < CDS a2
      ack CDS
      > CDS -a
      set c a3 b3`,
  },
  {
    what: 'GCP#558, #559, #1300: delta wildcard and names',
    only: 'delta',
    lines: `
      set c a1 b1
      > CDS
      < CDS a1 b1
      ack CDS
      > CDS +a
      < CDS a1
      ack CDS
      > CDS -a
      < CDS a1
      ack CDS
      > CDS +none
      < CDS -none
      ack CDS
      > CDS -none
      < CDS -none
      ack CDS
      > CDS +a
      < CDS a1
      ack CDS
      > CDS -*
      set c a1 b2
      > CDS -a
      set c a2 b2`,
  },
  {
    what: 'endpoints, routes and secrets without names ask for nothing',
    lines: `
      set e a1 | r r1
      > EDS
      > RDS
      > SDS
      set e a2 | r r2`,
  },
  {
    what: 'xds-protocol 8: a type whose content did not change is not sent',
    lines: `
      set c a1 | e a1 | l x1
      > CDS
      < CDS a1
      ack CDS
      > EDS +a
      < EDS a1
      ack EDS
      > LDS
      < LDS x1
      ack LDS
      set c a1 | e a2 | l x1
      < EDS a2
      ack EDS`,
  },
  {
    what: 'GCP#1035, #1001, #245; istio#38709: endpoints go behind a changed cluster, unasked and unchanged, once',
    lines: `
      set c a1 b1 | e a1 b1
      > CDS
      < CDS a1 b1
      ack CDS
      > EDS +a +b
      < EDS a1 b1
      ack EDS
      set c a2 b1 | e a1 b1
      <s CDS a2 b1
      <d CDS a2
      < EDS a1
      ack EDS
      ack CDS`,
  },
  {
    what: "Envoy's repeat while a cluster warms is stale, as its endpoints were sent",
    only: 'sotw',
    lines: `
      set c a1 | e a1
      > CDS
      < CDS a1
      ack CDS
      > EDS +a
      < EDS a1
      ack EDS
      set c a2 | e a1
      < CDS a2
      < EDS a1
      old EDS
      ack EDS
      ack CDS`,
  },
  {
    what: 'the repeat on a stream of endpoints alone is answered',
    only: 'sotw',
    options: {
      onlyType: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
    },
    lines: `
      set e a1
      > EDS +a
      < EDS a1
      ack EDS
      repeat EDS
      < EDS a1
      ack EDS`,
  },
  {
    what: 'make before break: kuma#4556, EG#9029, istio#8751',
    lines: `
      set c a1 | e a1 | l x1 | r r1
      > CDS
      < CDS a1
      ack CDS
      > EDS +a
      < EDS a1
      ack EDS
      > LDS
      < LDS x1
      ack LDS
      > RDS +r
      < RDS r1
      ack RDS
      set c b1 | e b1 | l y1 | r r2 q1
      <s CDS a1 b1
      <d CDS b1
      > EDS +b
      < EDS b1
      ack EDS
      ack CDS
      <s LDS x1 y1
      <d LDS y1
      < RDS r2
      ack RDS
      ack LDS
      <s LDS y1
      <d LDS -x
      ack LDS
      <s CDS b1
      <d CDS -a
      > EDS -a
      ack CDS`,
  },
  {
    what: 'routes that come back go before the listener that names them, if the client follows them still',
    lines: `
      set c a1 | l x1 | r r1
      > CDS
      < CDS a1
      ack CDS
      > LDS
      < LDS x1
      ack LDS
      > RDS +r
      < RDS r1
      ack RDS
      set c a1 | l x2 | r q1
      < LDS x2
      ack LDS
      <d RDS -r
      d: ack RDS
      > RDS +q
      < RDS q1
      ack RDS
      set c a1 | l x3 | r r2
      < RDS r2
      < LDS x3
      ack RDS
      ack LDS
      <d RDS -q`,
  },
  {
    what: 'routes that were asked for before there were any come after their listener',
    lines: `
      set c a1
      > CDS
      < CDS a1
      ack CDS
      > LDS
      < LDS
      ack LDS
      > RDS +r
      <d RDS -r
      d: ack RDS
      set c a1 | l x1 | r r1
      < LDS x1
      < RDS r1
      ack LDS
      ack RDS`,
  },
  {
    what: 'a refused step lets the rest go on',
    lines: `
      set c a1 | r r1
      > CDS
      < CDS a1
      ack CDS
      > RDS +r
      < RDS r1
      ack RDS
      set c b1 | r r2
      <s CDS a1 b1
      <d CDS b1
      nack CDS bad
      < RDS r2
      ack RDS
      <s CDS b1
      <d CDS -a`,
  },
  {
    what: 'a step that is not answered holds the next one back for 5 s',
    lines: `
      set c a1 | r r1
      > CDS
      < CDS a1
      ack CDS
      > RDS +r
      < RDS r1
      ack RDS
      set c a1 b1 | r r2
      <s CDS a1 b1
      <d CDS b1
      wait 4000
      wait 1100
      < RDS r2`,
  },
  {
    what: 'a response that is never answered holds its type back for 20 s',
    lines: `
      set r r1
      > RDS +r
      < RDS r1
      set r r2
      wait 5000
      set r r3
      wait 15000
      < RDS r3`,
  },
  {
    what: 'new states on the way merge: clusters at once, routes after theirs; no removal is lost, nothing is sent twice',
    lines: `
      set c a1 | r r1
      > CDS
      < CDS a1
      ack CDS
      > RDS +r
      < RDS r1
      ack RDS
      set c b1 | r r2
      <s CDS a1 b1
      <d CDS b1
      set c d1 | r r3
      ack CDS
      <s CDS a1 b1 d1
      <d CDS d1
      < RDS r2
      set c d1 | r r4
      ack CDS
      ack RDS
      <s CDS b1 d1
      <d CDS -a
      ack CDS
      < RDS r4
      ack RDS
      <s CDS d1
      <d CDS -b`,
  },
  {
    what: 'endpoints that never rest do not hold routes back',
    lines: `
      set e a1 | r r1
      > EDS +a
      < EDS a1
      ack EDS
      > RDS +r
      < RDS r1
      ack RDS
      set e a2 | r r1
      < EDS a2
      set e a3 | r r2
      ack EDS
      < EDS a3
      set e a4 | r r2
      ack EDS
      < EDS a4
      < RDS r2`,
  },
  {
    what: 'endpoints of a state in between are there while its clusters are',
    lines: `
      set c a1 | e a1
      > CDS
      < CDS a1
      ack CDS
      > EDS +a
      < EDS a1
      ack EDS
      set c b1 | e b1
      <s CDS a1 b1
      <d CDS b1
      > EDS +b
      < EDS b1
      ack EDS
      ack CDS
      <s CDS b1
      <d CDS -a
      set c d1 | e d1
      set c f1 | e f1
      ack CDS
      <s CDS b1 d1 f1
      <d CDS d1 f1
      > EDS -a
      > EDS +d +f
      < EDS d1 f1
      ack EDS
      ack CDS
      <s CDS f1
      <d CDS -b -d
      ack CDS
      <d EDS -b -d`,
  },
  {
    what: 'reconnect with everything up to date',
    lines: `
      set c a1 | e a1 | l x1 | r r1
      > CDS
      < CDS a1
      ack CDS
      > EDS +a
      < EDS a1
      ack EDS
      > LDS
      < LDS x1
      ack LDS
      > RDS +r
      < RDS r1
      ack RDS
      reconnect
      > CDS
      > EDS
      > LDS
      > RDS`,
  },
  {
    what: 'reconnect after names were dropped: still nothing',
    only: 'sotw',
    lines: `
      set e a1 b1
      > EDS +a +b
      < EDS a1 b1
      ack EDS
      > EDS -a
      reconnect
      > EDS
      set e a2 b2
      < EDS b2`,
  },
  {
    what: 'istio#41494, kmesh#415: a delta reconnect removes what is gone, in order, and sends what changed',
    only: 'delta',
    lines: `
      set c a1 b1 | r r1
      > CDS
      < CDS a1 b1
      ack CDS
      > RDS +r
      < RDS r1
      ack RDS
      reconnect
      set c b1 d1 | r r2
      > CDS
      < CDS d1
      > RDS
      ack CDS
      < RDS r2
      ack RDS
      < CDS -a`,
  },
  {
    what: 'SotW reconnect with an older state: the changed types are sent whole, endpoints behind their clusters',
    only: 'sotw',
    lines: `
      set c a1 | e a1
      > CDS
      < CDS a1
      ack CDS
      > EDS +a
      < EDS a1
      ack EDS
      reconnect
      set c a2 | e a1
      > CDS
      < CDS a2
      > EDS
      < EDS a1
      ack EDS
      ack CDS`,
  },
  {
    what: 'envoy#9934: a reconnect that names a vanished cluster is not left waiting for the others',
    lines: `
      set e a1 b1
      > EDS +a +b
      < EDS a1 b1
      ack EDS
      reconnect
      set e b2
      > EDS
      <s EDS b2
      <d EDS b2
      ack EDS
      <d EDS -a`,
  },
  {
    what: 'istio#34097: a slow reader is sent the newest state, not every one',
    lines: `
      set e a1
      > EDS +a
      < EDS a1
      ack EDS
      block
      set e a2
      set e a3
      set e a4
      flow
      < EDS a4`,
  },
  {
    what: 'GCP#1498: nothing of a dropped name is sent when the answer comes',
    lines: `
      set e a1 b1
      > EDS +a +b
      < EDS a1 b1
      set e a2 b2
      ack EDS -a
      < EDS b2`,
  },
  {
    what: 'xds-protocol 34: the state goes and comes, the stream stays',
    lines: `
      set c a1
      > CDS
      < CDS a1
      ack CDS
      clear
      set c a1
      clear
      > EDS +a
      set c a2 | e a1
      <s CDS a2
      <d CDS a2
      < EDS a1`,
  },
  {
    what: 'GCP#1036: a type that nobody knows does no harm',
    lines: `
      set c a1
      > XXX
      < XXX
      ack XXX
      > CDS
      < CDS a1`,
  },
  {
    what: 'other types go by name, outside of the order',
    lines: `
      set c a1 | o f1
      > ECDS +f
      < ECDS f1
      ack ECDS
      > CDS
      < CDS a1
      set c a2 | o f2
      < ECDS f2`,
  },
];

runConversations(conversations);

for (const variant of ['sotw', 'delta'] as const) {
  t.test(`an answer counts however late it comes (${variant})`, async (t) => {
    const talk = new Talk(variant);
    const status = () => talk.stream.status()[0]!;
    talk.set({ clusters: { a: 1 } });
    talk.request('CDS', []);
    t.same(talk.taken(), ['CDS a1']);
    talk.wait(60_000);
    t.equal(status().state, 'PENDING', 'it was not accepted');
    talk.ack('CDS');
    t.match(status(), { state: 'SYNCED', acked: { version: status().sent!.version } });
    talk.set({ clusters: { a: 2 } });
    talk.taken();
    talk.wait(60_000);
    talk.nack('CDS', 'no');
    t.same(talk.nacks, ['a']);
    t.match(status(), { typeUrl: CLUSTER, state: 'REJECTED', nack: { message: 'no' } });
  });

  t.test(`a client that never answers is sent the newest after a while (${variant})`, async (t) => {
    const talk = new Talk(variant);
    talk.set({ clusters: { a: 1 } });
    talk.request('CDS', []);
    talk.taken();
    talk.set({ clusters: { a: 2 } });
    t.same(talk.taken(), []);
    talk.wait(20_000);
    t.same(talk.taken(), ['CDS a2']);
    talk.set({ clusters: { a: 3 } });
    talk.wait(10_000);
    t.same(talk.taken(), [], 'and waits again');
  });

  t.test(
    `clusters that come and go without their endpoints asked for leave nothing (${variant})`,
    async (t) => {
      const talk = new Talk(variant);
      talk.set({ clusters: { c0: 1 } });
      talk.request('CDS', []);
      for (let i = 1; i < 50; i++) {
        talk.taken();
        talk.ack('CDS');
        talk.set({ clusters: { [`c${i}`]: 1 }, endpoints: { c0: 1, c49: 1 } });
        while (talk.taken().length > 0) talk.ack('CDS');
      }
      talk.request('EDS', ['+c49', '+c0']);
      talk.taken();
      talk.ack('EDS');
      talk.request('EDS', ['-c0']);
      talk.request('EDS', ['+c0']);
      t.same(talk.taken(), ['EDS c01'], 'once');
    },
  );
}
