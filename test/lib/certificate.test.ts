// What of certificates and keys is found unusable before an Envoy is sent it.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import t from 'tap';
import { certificatesProblem, isKeyOf, keyKindProblem } from '../../src/lib/certificate.js';
import { TestCa } from '../xds/certificates.js';

const ca = new TestCa();
const certify = ({ publicKey }: { publicKey: KeyObject }) => ca.certify(publicKey);

t.test('keys that Envoy takes, and others', async (t) => {
  const rsa = (modulusLength: number) => certify(generateKeyPairSync('rsa', { modulusLength }));
  const ec = (namedCurve: string) => certify(generateKeyPairSync('ec', { namedCurve }));
  for (const curve of ['P-256', 'P-384', 'P-521']) {
    t.equal(keyKindProblem(ec(curve)), undefined, curve);
  }
  t.equal(keyKindProblem(rsa(2048)), undefined, 'RSA 2048');
  t.equal(keyKindProblem(certify(generateKeyPairSync('ed25519'))), undefined, 'Ed25519');
  t.match(keyKindProblem(rsa(1024)), /RSA key of 1024 bits/);
  t.match(keyKindProblem(ec('secp256k1')), /secp256k1/);
  t.match(keyKindProblem(ec('P-224')), /secp224r1/);
});

t.test('a chain counts by its first certificate', async (t) => {
  const [leaf, other] = [ca.issue(), ca.issue()];
  const chain = leaf.cert + ca.cert;
  t.equal(certificatesProblem(chain), undefined);
  t.ok(isKeyOf(chain, leaf.key));
  t.notOk(isKeyOf(chain, other.key));
  t.match(certificatesProblem(`${leaf.cert}${leaf.cert.replace(/MII/, 'AAA')}`), /certificate 2/);
});
