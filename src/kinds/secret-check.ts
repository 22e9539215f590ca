// The rules of Secret beyond its schema: what a gateway would be given must be usable, else the Secret is refused and
// its last good version stays in force. Values are never quoted.
import {
  certificatesProblem,
  crlProblem,
  isKeyOf,
  keyKindProblem,
  privateKeyProblem,
} from '../lib/certificate.js';
import type { Check, Findings } from './finding.js';
import { type NamedText, type SecretSpec, secretParts } from './secret.js';

const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Checks a Secret beyond its schema. Secrets of other uses pass. */
export const checkSecret: Check<SecretSpec> = (spec, findings) => {
  for (const [key, value] of Object.entries(spec.data ?? {})) {
    if (!base64Form.test(value.replaceAll(/\s/g, ''))) {
      findings.invalid(['data', key], 'the value is not base64; plain text goes into stringData');
    }
  }
  if (findings.list.length > 0) return;
  const { pair, ca, crl } = secretParts(spec);
  if (pair) checkPair(spec, pair, findings);
  else if (spec.type === 'kubernetes.io/tls') {
    findings.missing([], 'a Secret of type kubernetes.io/tls needs both tls.crt and tls.key');
  }
  check(spec, ca, findings, certificatesProblem);
  check(spec, crl, findings, crlProblem);
};

function checkPair(
  spec: SecretSpec,
  { certificate, key }: { certificate: NamedText; key: NamedText },
  findings: Findings,
): void {
  const sound =
    check(spec, certificate, findings, certificatesProblem) &&
    check(spec, certificate, findings, keyKindProblem);
  if (check(spec, key, findings, privateKeyProblem) && sound) {
    if (!isKeyOf(certificate.text, key.text)) {
      findings.invalid(pathOf(spec, key), 'the key is not that of the certificate');
    }
  }
}

/** Whether a value is there and readable; says what is wrong with it. */
function check(
  spec: SecretSpec,
  part: NamedText | undefined,
  findings: Findings,
  problemOf: (text: string) => string | undefined,
): boolean {
  if (part === undefined) return false;
  const problem = problemOf(part.text);
  if (problem) findings.invalid(pathOf(spec, part), `${part.name} ${problem}`);
  return problem === undefined;
}

function pathOf({ stringData = {} }: SecretSpec, { name }: NamedText): string[] {
  return [Object.hasOwn(stringData, name) ? 'stringData' : 'data', name];
}
