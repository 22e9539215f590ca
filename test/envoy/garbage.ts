// Files that nobody should write: malformed, truncated, binary, huge, deeply nested, alias bombs, wrongly typed. Made
// from a seed, the same each time.
import { randomBytes } from 'node:crypto';

const good = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: NAME }
spec:
  hosts: [garbage]
  http:
    - match:
        - uri: { prefix: /a }
      route:
        - destination: { host: backend, subset: v1 }
          weight: 100
      timeout: 3s
`;

/** Each takes a number, so that no two files are alike. All are refused by a YAML parser or by the schema. */
const makers: readonly ((i: number) => string | Uint8Array)[] = [
  (i) => good.replace('NAME', `g${i}`).replace('weight: 100', `weight: [${i}]`),
  (i) => good.replace('NAME', `g${i}`).replace('timeout: 3s', `timeout: soon-${i}`),
  (i) => good.replace('NAME', `g${i}`).replace('match:', `mtach${i}:`),
  (i) => `${good.replace('NAME', `g${i}`).slice(0, 40 + (i % 8))}: {[`,
  (i) => Buffer.concat([randomBytes(200 + i), Buffer.from([0, 0xff, 0xfe])]),
  (i) => `a${i}: ${'['.repeat(5000)}`,
  (i) => `a${i}: ${'{a: '.repeat(2000)}`,
  (i) => aliasBomb(i),
  (i) => `${'# '.padEnd(5 * 1024 * 1024, 'x')}\na: ${i}\n`,
  (i) => `apiVersion: v1\nkind: Service\nmetadata: { name: s${i} }\nspec: { ports: ${i} }\n`,
  (i) => `apiVersion: v1\nkind: Service\nmetadata: ${i}\nspec: {}\n`,
  (i) => `kind: VirtualService\nkind: VirtualService\nmetadata: { name: d${i} }\n`,
  (i) => `- just\n- a list\n- ${i}\n`,
  (i) => `"an unterminated string ${i}`,
  (i) => `key: value\n\tindented: by-tab-${i}\n`,
  (i) => `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "j${i}"}`,
];

function aliasBomb(i: number): string {
  const lines = [`a0: &a0 [${Array(9).fill(`"lol${i}"`).join(', ')}]`];
  for (let level = 1; level < 12; level++) {
    lines.push(
      `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** `count` files by name. */
export function garbageFiles(count: number): Map<string, string | Uint8Array> {
  const files = new Map<string, string | Uint8Array>();
  for (let i = 0; i < count; i++) files.set(`garbage-${i}.yaml`, makers[i % makers.length]!(i));
  return files;
}
