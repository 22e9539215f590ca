// Secrets: what gateways could not use is refused, so that the last good version stays; other Secrets pass; values are
// never quoted.
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import { type SecretSpec, secretParts } from '../../src/kinds/secret.js';
import { TestCa } from '../xds/certificates.js';

const ca = new TestCa();
const { cert, key } = ca.issue({ names: ['a.test'] });
const other = ca.issue();
const base64 = (text: string) => Buffer.from(text).toString('base64');

const read = (fields: object) =>
  parseResource({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, ...fields });
const found = (fields: object) =>
  read(fields).problems.map(
    ({ severity, path, message }) => `${severity} ${path?.join('.')}: ${message}`,
  );

const tls = (stringData: object) => found({ type: 'kubernetes.io/tls', stringData });

t.test('good ones', async (t) => {
  t.strictSame(tls({ 'tls.crt': cert, 'tls.key': key }), []);
  t.strictSame(tls({ 'tls.crt': cert + ca.cert, 'tls.key': key }), [], 'a chain');
  const data = { 'tls.crt': base64(cert), 'tls.key': base64(key), 'ca.crt': base64(ca.cert) };
  t.strictSame(found({ type: 'kubernetes.io/tls', data }), []);
  t.strictSame(found({ stringData: { cert, key, cacert: ca.cert } }), []);
});

t.test('what cannot be used', async (t) => {
  const both = 'error : a Secret of type kubernetes.io/tls needs both tls.crt and tls.key';
  t.strictSame(tls({ 'tls.crt': cert }), [both]);
  t.strictSame(tls({ 'tls.crt': cert, 'tls.key': '' }), [both]);
  t.strictSame(tls({ 'tls.crt': cert, 'tls.key': other.key }), [
    'error stringData.tls.key: the key is not that of the certificate',
  ]);
  t.strictSame(tls({ 'tls.crt': 'nonsense', 'tls.key': 'nonsense' }), [
    'error stringData.tls.crt: tls.crt has no certificate in PEM form',
    'error stringData.tls.key: tls.key is no private key in PEM form',
  ]);
  const broken = cert.replace(/\n[A-Za-z0-9+/]{64}\n/, '\n');
  t.strictSame(tls({ 'tls.crt': broken, 'tls.key': key }), [
    'error stringData.tls.crt: certificate 1 cannot be read'.replace(
      'certificate 1',
      'tls.crt certificate 1',
    ),
  ]);
  t.strictSame(found({ stringData: { 'ca.crt': 'x', 'ca.crl': 'y' } }), [
    'error stringData.ca.crt: ca.crt has no certificate in PEM form',
    'error stringData.ca.crl: ca.crl has no revocation list in PEM form',
  ]);
  t.match(found({ data: { password: 'not base64!' } })[0], /is not base64/);
});

t.test('what Node reads and Envoy does not', async (t) => {
  const cut = ca.cert.slice(0, 200);
  const mark = '\ufeff';
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  const pssKey = pss.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const block = (body: string) => `-----BEGIN X509 CRL-----\n${body}\n-----END X509 CRL-----\n`;
  const list = ca.revoke();
  const rows: [object, string?][] = [
    [{ 'tls.crt': cert + cut, 'tls.key': key }, 'tls.crt ends within a block of PEM'],
    [{ 'tls.crt': mark + cert, 'tls.key': key }, 'tls.crt has no certificate in PEM form'],
    [{ 'tls.crt': cert, 'tls.key': mark + key }, 'tls.key is no private key in PEM form'],
    [
      { 'tls.crt': ca.certify(pss.publicKey), 'tls.key': pssKey },
      'tls.crt is of a key of type rsa-pss; Envoy takes RSA and EC',
    ],
    [{ 'ca.crt': ca.cert + cut }, 'ca.crt ends within a block of PEM'],
    [{ 'ca.crl': block('AAAA') }, 'ca.crl revocation list 1 cannot be read'],
    [{ 'ca.crl': list + block('MAA=') }, 'ca.crl revocation list 2 cannot be read'],
    [{ 'ca.crl': list + list.slice(0, 100) }, 'ca.crl ends within a block of PEM'],
    [{ 'ca.crl': list + list }],
    [{ 'tls.crt': `a note\n${cert}`, 'tls.key': `a note\n${key.trim()}` }],
    [{ 'tls.crt': cert.replaceAll('\n', '\r\n'), 'tls.key': key.replaceAll('\n', '\r\n') }],
  ];
  for (const [stringData, problem] of rows) {
    const messages = found({ stringData }).map((line) => line.replace(/^error [^:]*: /, ''));
    t.strictSame(messages, problem ? [problem] : []);
  }
});

t.test('Secrets of other uses pass', async (t) => {
  t.strictSame(found({ type: 'Opaque', stringData: { key: 'api key', password: 'x' } }), []);
  t.strictSame(found({ data: { password: base64('x') } }), []);
  t.strictSame(found({}), []);
});

t.test('no problem quotes a value', async (t) => {
  const secret = 'hunter2hunter2';
  const texts = [
    ...found({ type: 'kubernetes.io/tls', stringData: { 'tls.crt': secret, 'tls.key': secret } }),
    ...found({ data: { 'tls.key': `${secret}!` } }),
    ...found({ stringData: { 'ca.crt': secret } }),
    ...found({ stringData: secret }),
    ...found({ stringData: [secret] }),
  ];
  t.ok(texts.length >= 5);
  for (const text of texts) t.notMatch(text, secret);
});

t.test('stringData goes before data; the generic names before those of Kubernetes', async (t) => {
  const spec: SecretSpec = {
    data: { 'tls.crt': base64('a'), 'tls.key': base64('b'), cacert: base64('c') },
    stringData: { 'tls.crt': 'A', cert: 'g' },
  };
  t.strictSame(secretParts(spec), {
    pair: { certificate: { name: 'tls.crt', text: 'A' }, key: { name: 'tls.key', text: 'b' } },
    ca: { name: 'cacert', text: 'c' },
  });
});
