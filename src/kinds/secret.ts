// Secret of Kubernetes' core group: certificates and keys of gateways. Values are never quoted in problems. What they
// must be is in secret-check.ts.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { message } from './schema.js';
import { bool, string, stringMap } from './values.js';

/** Opening of the page in docs/kinds/. */
export const secretDoc = [
  'Certificates of gateways: `tls.crt` and `tls.key` (or `cert` and `key`), CAs of client certificates in `ca.crt` (or',
  '`cacert`), revoked ones in `ca.crl` (or `crl`). A Secret `NAME-cacert` may hold the CAs of `NAME`. Other Secrets are',
  'read and not used. The fields stand beside `metadata`; there is no `spec`. The admin API never shows the values.',
].join('\n');

/** The fields of a Secret. */
export const secretSpec = message({
  type: string.describe('kubernetes.io/tls, Opaque ...; the keys below count, whatever it is'),
  data: stringMap.describe('key -> value in base64'),
  stringData: stringMap.describe('key -> value as text; goes before `data`'),
  immutable: noEffect(bool, 'Only the API server of Kubernetes acts on it.'),
});

export type SecretSpec = z.output<typeof secretSpec>;

/** A certificate chain with its key, and what client certificates are checked against; PEM texts. */
export interface SecretParts {
  pair?: { certificate: NamedText; key: NamedText };
  ca?: NamedText;
  crl?: NamedText;
}

/** A value and the key that it stands at. */
export interface NamedText {
  name: string;
  text: string;
}

/** The names that Istio's gateways know, in their order of precedence. */
const pairNames = [
  ['cert', 'key'],
  ['tls.crt', 'tls.key'],
] as const;

/** What of a Secret gateways can use. A certificate without a key, or the other way round, is nothing. */
export function secretParts(spec: SecretSpec): SecretParts {
  const parts: SecretParts = {};
  for (const [certificateName, keyName] of pairNames) {
    const certificate = textOf(spec, certificateName);
    const key = textOf(spec, keyName);
    if (certificate && key && !parts.pair) parts.pair = { certificate, key };
  }
  const ca = textOf(spec, 'cacert') ?? textOf(spec, 'ca.crt');
  if (ca) parts.ca = ca;
  const crl = textOf(spec, 'crl') ?? textOf(spec, 'ca.crl');
  if (crl) parts.crl = crl;
  return parts;
}

/** `stringData` goes before `data`, as in Kubernetes; an empty value is none. */
function textOf({ data = {}, stringData = {} }: SecretSpec, name: string): NamedText | undefined {
  const given = Object.hasOwn(stringData, name) ? stringData[name] : undefined;
  const encoded = Object.hasOwn(data, name) ? data[name] : undefined;
  const text = given ?? (encoded && Buffer.from(encoded, 'base64').toString('utf8'));
  return text ? { name, text } : undefined;
}
