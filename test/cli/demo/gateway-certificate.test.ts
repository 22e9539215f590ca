// The certificate that the demo makes for its gateway: good for this machine, private, made once.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import {
  certificateFile,
  ensureCertificate,
  makeCertificate,
} from '../../../src/cli/demo/gateway-certificate.js';

t.test('it is for this machine, and the Secret has its key', async (t) => {
  const { certificate, secret } = makeCertificate();
  const read = new X509Certificate(certificate);
  t.equal(read.checkHost('localhost'), 'localhost');
  t.equal(read.checkIP('127.0.0.1'), '127.0.0.1');
  t.ok(read.verify(read.publicKey), 'signed by itself');
  const { kind, type, stringData } = parse(secret);
  t.strictSame({ kind, type }, { kind: 'Secret', type: 'kubernetes.io/tls' });
  t.equal(stringData['tls.crt'], certificate);
  t.ok(read.checkPrivateKey(createPrivateKey(stringData['tls.key'])));
});

t.test('made once, for its owner alone', async (t) => {
  const dir = t.testdir({});
  const file = join(dir, certificateFile);
  const first = ensureCertificate(dir);
  t.equal(first.made, true);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.strictSame(readdirSync(dir), [certificateFile], 'nothing else is left');
  t.strictSame(ensureCertificate(dir), { certificate: first.certificate, made: false });

  writeFileSync(file, 'kind: Secret');
  const second = ensureCertificate(dir);
  t.equal(second.made, true, 'one that is of no use is replaced');
  t.not(second.certificate, first.certificate);
  t.match(readFileSync(file, 'utf8'), 'tls.key');
});

t.test('the file is ignored by git', async (t) => {
  const ignored = readFileSync(new URL('../../../.gitignore', import.meta.url), 'utf8');
  t.match(ignored, `examples/demo/config/${certificateFile}`);
});
