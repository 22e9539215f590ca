// The rules of WasmPlugin beyond its schema, after Istio's validation.
import type { Check } from './finding.js';
import { checkSelectorLabels, checkTargetRef, checkTargetRefs } from './selector-check.js';
import type { WasmPluginSpec } from './wasm-plugin.js';

const schemes = ['http', 'https', 'oci', 'file'];

/** Checks a WasmPlugin beyond its schema. */
export const checkWasmPlugin: Check<WasmPluginSpec> = (spec, findings) => {
  const { selector, targetRef, targetRefs = [], url, sha256 = '', vmConfig } = spec;
  checkSelectorLabels(findings, ['selector', 'matchLabels'], selector?.matchLabels);
  if (selector && Object.keys(selector.matchLabels ?? {}).length === 0) {
    findings.warn(['selector'], 'a selector without labels is for the whole namespace');
  }
  const other = 'refused';
  if (targetRef) checkTargetRef(findings, ['targetRef'], { ref: targetRef, other });
  checkTargetRefs(findings, ['targetRefs'], { refs: targetRefs, other });
  if (selector && (targetRef || targetRefs.length > 0)) {
    findings.invalid(['selector'], 'selector and targetRefs exclude each other');
  }
  const scheme = /^([a-zA-Z][\w+.-]*):\/\//.exec(url)?.[1]?.toLowerCase() ?? 'oci';
  if (url === '') findings.missing(['url'], 'url must not be empty');
  else if (!schemes.includes(scheme)) {
    findings.invalid(['url'], `a module comes from ${schemes.join(', ')}, not from ${scheme}`);
  } else if (scheme !== 'file') {
    findings.pending(['url'], 'only modules in files (file:///PATH) are loaded so far');
  } else if (!url.startsWith('file:///')) findings.invalid(['url'], 'a file is file:///PATH');
  if (sha256 !== '' && !/^[0-9a-f]{64}$/.test(sha256)) {
    findings.invalid(['sha256'], 'a SHA-256 sum has 64 hexadecimal digits');
  }
  const names = new Set<string>();
  for (const [i, { name, valueFrom, value = '' }] of (vmConfig?.env ?? []).entries()) {
    const path = ['vmConfig', 'env', i];
    if (name === '') findings.missing([...path, 'name'], 'a variable must have a name');
    if (names.has(name)) findings.invalid([...path, 'name'], `${name} stands twice`);
    names.add(name);
    if (valueFrom === 'HOST' && value !== '') {
      findings.invalid([...path, 'value'], 'a variable from HOST has no value of its own');
    }
  }
};
