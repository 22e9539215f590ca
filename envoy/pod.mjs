// What a pod container runs: it owns the network namespace that the app and the sidecar join. It
// installs the interception rules, writes the sidecar's bootstrap, says that it is ready, and
// waits. Nothing of the app runs before that.
// Environment: POD_NAME, POD_LABELS (app=web,version=v1), POD_NAMESPACE (default), XDS
// (control-plane:15010), BOOTSTRAP_DIR (/bootstrap).
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { bootstrapText } from '../dist/cli/bootstrap.js';
import { interceptionRules, sidecarUid } from '../dist/cli/interception.js';

const {
  POD_NAME: name,
  POD_NAMESPACE: namespace = 'default',
  POD_LABELS = '',
  XDS: xds = 'control-plane:15010',
  BOOTSTRAP_DIR: bootstrapDir = '/bootstrap',
} = process.env;
if (!name) throw new Error('POD_NAME is not set');

const addresses = Object.values(networkInterfaces())
  .flat()
  .filter((address) => !address.internal && !address.address.startsWith('fe80:'));
const ips = addresses.map(({ address }) => address);
const bypass = { by: 'uid', uid: sidecarUid };

for (const [family, command] of [
  ['ipv4', 'iptables-restore'],
  ['ipv6', 'ip6tables-restore'],
]) {
  if (!addresses.some((address) => address.family.toLowerCase() === family)) continue;
  const input = interceptionRules({ family, bypass });
  execFileSync(command, ['--noflush'], { input, stdio: ['pipe', 'inherit', 'inherit'] });
}

const labels = Object.fromEntries(
  POD_LABELS.split(',')
    .filter((label) => label !== '')
    .map((label) => label.split('=')),
);
writeFileSync(
  join(bootstrapDir, `${name}.json`),
  bootstrapText({ type: 'sidecar', name, namespace, ips, labels, workloadName: name, xds }, 'json'),
);
writeFileSync('/tmp/ready', '');
console.log(`${name} (${ips.join(', ')}): rules installed, bootstrap written`);

setInterval(() => {}, 1 << 30);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
