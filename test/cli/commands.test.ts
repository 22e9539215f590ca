// The command line as users meet it: help, exit codes, what is printed where. No server; those that
// need a server are in serve.test.ts.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { validateBootstrap } from '../envoy/envoy-process.js';
import { cli, cliRunner, project } from './run-cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'fairlead-cli-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));
const runner = cliRunner();
t.teardown(() => runner.close());
const fairlead = (words: readonly string[]) => runner.run(words);

const mesh = join(scratch, 'mesh');
const bad = join(scratch, 'bad');
for (const dir of [mesh, bad]) {
  mkdirSync(dir);
}
writeFileSync(
  join(mesh, 'mesh.yaml'),
  `apiVersion: v1
kind: Service
metadata: { name: shop }
spec:
  selector: { app: shop }
  ports: [{ name: http, port: 8080 }, { name: tcp-db, port: 5432 }]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: shop-1 }
spec: { address: 10.1.0.1, labels: { app: shop, version: v1 } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop }
spec:
  host: shop
  subsets: [{ name: v1, labels: { version: v1 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop]
  http:
    - match: [{ headers: { end-user: { exact: tester } }, sourceLabels: { app: web } }]
      route: [{ destination: { host: shop, port: { number: 8080 }, subset: v1 } }]
    - route: [{ destination: { host: shop, port: { number: 8080 } } }]
`,
);
writeFileSync(
  join(bad, 'a.yaml'),
  `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop.example]
  http:
    - route:
        - { destination: { host: shop.example }, weight: many }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: other }
spec:
  hosts: [other.example]
  http:
    - route: [{ destination: { host: nobody.example } }]
`,
);

/** Commands with the words that belong to them, as the help names them. */
const commands = (await fairlead(['--help'])).stdout
  .split('\n')
  .flatMap((line) => /^ {2}([a-z][a-z-]+)(?:\|[a-z]+)? /.exec(line)?.[1] ?? [])
  .filter((name) => name !== 'help');

t.test('every command has help, and docs/cli.md has a line for each', async (t) => {
  t.ok(commands.length >= 9, commands.join(' '));
  const docs = readFileSync(join(project, 'docs/cli.md'), 'utf8');
  const documented = [...docs.matchAll(/^\| `([a-z-]+)/gm)].map((match) => match[1]);
  t.strictSame([...documented].sort(), [...commands].sort());
  for (const name of commands) {
    const { code, stdout } = await fairlead([name, '--help']);
    t.equal(code, 0, name);
    t.match(stdout, `Usage: fairlead ${name}`);
  }
});

t.test('the flags that docs and README name exist', async (t) => {
  const pages = ['docs/cli.md', 'README.md', 'docs/configuration.md'].map((file) =>
    readFileSync(join(project, file), 'utf8'),
  );
  const rows = pages.flatMap((page) => [
    ...page.matchAll(/^\| `([a-z-]+)[^|]*\|[^\n]*$|npx fairlead ([a-z-]+)[^\n]*$/gm),
  ]);
  const wanted = new Map<string, Set<string>>();
  for (const [line, row, example] of rows) {
    const name = row ?? example ?? '';
    if (!commands.includes(name)) continue;
    const flags = wanted.get(name) ?? new Set();
    for (const [flag] of line.split('#')[0]!.matchAll(/--[a-z-]+/g)) flags.add(flag);
    wanted.set(name, flags);
  }
  t.ok(wanted.size >= 7);
  for (const [name, flags] of wanted) {
    const { stdout } = await fairlead([name, '--help']);
    for (const flag of flags) t.match(stdout, new RegExp(`${flag}\\b`), `${name} ${flag}`);
  }
});

const wrongUsage: readonly string[][] = [
  [],
  ['nonsense'],
  ['analyze', '--nonsense'],
  ['analyze', '--config', mesh, 'superfluous'],
  ['analyze', '--config', mesh, '-o', 'xml'],
  ['analyze', '--config', mesh, '--fail-on', 'never'],
  ['analyze', '--mesh-config', 'mesh.yaml'],
  ['analyze', '--admin', 'nonsense'],
  ['analyze', '--admin', 'unix:/tmp/x'],
  ['serve'],
  ['serve', '--config', mesh, '--xds', 'nonsense'],
  ['serve', '--config', mesh, '--xds', '127.0.0.1:99999'],
  ['serve', '--config', mesh, '--xds', '[nonsense]:1'],
  ['serve', '--config', mesh, '--xds', 'unix:'],
  ['serve', '--config', mesh, '--admin', 'unix:/tmp/x'],
  ['serve', '--config', mesh, '--log-level', 'loud'],
  ['translate', '--config', mesh],
  ['translate', '--node', 'web'],
  ['translate', '--config', mesh, '--node', 'web', '--type', 'nonsense'],
  ['translate', '--config', mesh, '--node', 'web', '--type', 'constructor'],
  ['translate', '--config', mesh, '--node', 'web', '--label', 'app'],
  ['translate', '--config', mesh, '--node', 'web', '--ip', 'nonsense'],
  ['translate', '--config', mesh, '--node', 'web', '--metadata', '{'],
  ['translate', '--config', mesh, '--node', 'web', '--metadata', '[1]'],
  ['translate', '--config', mesh, '--node', 'web', '--interception', 'MAYBE'],
  ['translate', '--config', mesh, '--node', 'web', '--proxy-type', 'toaster'],
  ['translate', '--config', mesh, '--node-file', join(mesh, 'mesh.yaml')],
  ['translate', '--config', mesh, '--node-file', join(scratch, 'nothing')],
  ['proxy-config'],
  ['proxy-config', 'nonsense', 'web'],
  ['proxy-config', 'routes'],
  ['proxy-config', 'routes', 'web', '--config', mesh, '--port', 'http'],
  ['proxy-status', '-o', 'xml'],
  ['bootstrap'],
  ['bootstrap', '--name', 'web', '--metadata', '{'],
  ['bootstrap', '--name', 'web', '--metadata', '"text"'],
  ['bootstrap', '--name', 'web', '--xds', 'nonsense'],
  ['bootstrap', '--name', 'web', '--envoy-admin', 'nonsense'],
  ['bootstrap', '--name', 'web', '--metrics-port', 'many'],
  ['bootstrap', '--name', 'web', '--health-port', '70000'],
  ['bootstrap', '--name', 'web', '--protocol', 'rest'],
  ['bootstrap', '--name', 'web', '--type', 'toaster'],
  ['bootstrap', '--name', 'web', '-o', 'table'],
  ['interception', '--exclude-inbound-ports', '22,ssh'],
  ['interception', '--exclude-outbound-cidrs', '10.0.0.0/99'],
  ['interception', '--exclude-outbound-cidrs', '10.0.0.0/8 -j ACCEPT'],
  ['interception', '--uid', 'root'],
  ['demo', '--mode', 'magic'],
  ['demo', '--port', 'any'],
];

t.test(
  'wrong usage is exit code 2, says so on standard error, and prints nothing else',
  async (t) => {
    for (const args of wrongUsage) {
      const { code, stdout, stderr } = await fairlead(args);
      const name = `fairlead ${args.join(' ').replaceAll(scratch, '')}`;
      t.equal(code, 2, name);
      t.equal(stdout, '', `${name}: no data`);
      t.not(stderr, '', `${name}: a message`);
      t.notMatch(stderr, /\n\s+at /, `${name}: no stack trace`);
    }
  },
);

t.test('version', async (t) => {
  const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  for (const words of [['version'], ['--version'], ['-V']]) {
    t.match(await fairlead(words), { code: 0, stdout: `${version}\n`, stderr: '' });
  }
  t.match(await cli(['version']), { code: 0, stdout: `${version}\n`, stderr: '' }, 'a process');
  t.match(await cli(['nonsense']), { code: 2, stdout: '' }, 'its exit code');
});

t.test('without a server: the address and what to do, exit code 1', async (t) => {
  for (const words of [
    ['analyze'],
    ['proxy-status'],
    ['proxy-config', 'routes', 'web'],
    ['ps', '-o', 'json'],
  ]) {
    const { code, stdout, stderr } = await fairlead([...words, '--admin', '127.0.0.1:1']);
    t.equal(code, 1, words.join(' '));
    t.equal(stdout, '');
    t.match(stderr, /^fairlead: no fairlead server answers at 127\.0\.0\.1:1 .*\n$/, 'one line');
  }
});

t.test('another program at the admin address is said to be one', async (t) => {
  const other = createServer((_request, response) => response.end('<html>hello</html>'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.teardown(() => other.close());
  const { port } = other.address() as AddressInfo;
  const { code, stderr } = await fairlead(['proxy-status', '--admin', `127.0.0.1:${port}`]);
  t.equal(code, 1);
  t.match(stderr, `127.0.0.1:${port} is no fairlead server`);
});

t.test('nobody reads on: no trace, no complaint', async (t) => {
  const command = `"${process.execPath}" --import tsx src/cli/main.ts translate --config "${mesh}" --node web | head -c 1`;
  const child = spawn('sh', ['-c', command], { cwd: project, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  child.stdout.resume();
  await new Promise((resolve) => child.on('close', resolve));
  t.equal(stderr, '');
});

t.test('analyze on a directory', async (t) => {
  const clean = await fairlead(['analyze', '--config', mesh]);
  t.equal(clean.code, 0);
  t.match(clean.stdout, '0 errors, 0 warnings');

  const human = await fairlead(['analyze', '--config', bad]);
  t.equal(human.code, 1);
  t.match(
    human.stdout,
    /bad\/a\.yaml:8:\d+: error wrong-type \(IST0106\): /,
    'file:line:col of the value',
  );
  t.match(human.stdout, /\n2 errors, 0 warnings, 1 info\n$/);

  const json = await fairlead(['analyze', '--config', bad, '-o', 'json']);
  const problems = JSON.parse(json.stdout);
  const wrong = problems.find(({ code }: { code: string }) => code === 'wrong-type');
  t.match(wrong, {
    severity: 'error',
    resource: { kind: 'VirtualService', namespace: 'default', name: 'shop' },
    path: 'spec.http[0].route[0].weight',
    position: { line: 8, col: 58 },
  });
  const unknown = problems.find(({ code }: { code: string }) => code === 'unknown-host');
  t.match(unknown?.position, { line: 16 }, 'found over the mesh, placed all the same');
  t.strictSame(
    parse((await fairlead(['analyze', '--config', bad, '-o', 'yaml'])).stdout),
    problems,
  );

  const gateways = join(scratch, 'gateways');
  mkdirSync(gateways);
  const server = (name: string, protocol: string) =>
    `{ port: { number: 80, name: ${name}, protocol: ${protocol} }, hosts: ["*"] }`;
  writeFileSync(
    join(gateways, 'g.yaml'),
    `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: g }
spec:
  selector: { istio: ingressgateway }
  servers:
    - ${server('one', 'HTTP')}
    - ${server('two', 'TCP')}
`,
  );
  const conflict = await fairlead(['analyze', '--config', gateways]);
  t.equal(conflict.code, 1);
  t.match(
    conflict.stdout,
    /g\.yaml:8:\d+: error gateway-conflict \(IST0145\): /,
    'without a router',
  );

  const missing = await fairlead(['analyze', '--config', join(scratch, 'nothing')]);
  t.equal(missing.code, 1);
  t.match(missing.stderr, /^fairlead: there is no directory .*nothing\n$/);
});

t.test('--fail-on and --show', async (t) => {
  const warn = join(scratch, 'warn');
  mkdirSync(warn);
  const text = `${readFileSync(join(mesh, 'mesh.yaml'), 'utf8')}    - route: [{ destination: { host: shop, port: { number: 8080 } } }]\n`;
  writeFileSync(join(warn, 'mesh.yaml'), text);
  const run = (...words: string[]) => fairlead(['analyze', '--config', warn, ...words]);
  const all = await run('-o', 'json');
  const severities = new Set(
    JSON.parse(all.stdout).map(({ severity }: { severity: string }) => severity),
  );
  t.ok(severities.has('warning') && !severities.has('error'), [...severities].join());
  t.equal(all.code, 0, 'warnings alone do not fail');
  t.equal((await run('--fail-on', 'warning')).code, 1);
  const shown = await run('--show', 'error', '--fail-on', 'warning', '-o', 'json');
  t.strictSame(JSON.parse(shown.stdout), [], 'what is not shown');
  t.equal(shown.code, 1, '... counts all the same');
});

type Item = { name?: string; clusterName?: string };

t.test('translate: who is meant', async (t) => {
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await fairlead(['translate', '--config', mesh, ...words]);
    t.equal(code, 0, `${words.join(' ')} ${stderr}`);
    return JSON.parse(stdout);
  };
  const clusters = (items: Item[]) => items.map(({ name }) => name);
  const plain = await run('--node', 'web', '--type', 'clusters');
  t.ok(clusters(plain).includes('outbound|8080|v1|shop.default.svc.cluster.local'));
  t.notOk(clusters(plain).some((name) => name?.startsWith('inbound|8')));

  const byIp = await run('--node', 'shop-1', '--ip', '10.1.0.1', '--type', 'clusters');
  t.ok(clusters(byIp).includes('inbound|8080||'), 'an address of an endpoint');
  const full = 'sidecar~10.1.0.1~shop-1.default~default.svc.cluster.local';
  t.strictSame(
    clusters(await run('--node', full, '--type', 'clusters')),
    clusters(byIp),
    'a whole node id says the same',
  );

  const matches = (routes: unknown) => JSON.stringify(routes).includes('end-user');
  t.equal(matches(await run('--node', 'web', '--label', 'app=web', '--type', 'routes')), true);
  t.equal(matches(await run('--node', 'web', '--label', 'app=x', '--type', 'routes')), false);

  for (const format of ['json', 'yaml']) {
    const bootstrap = await fairlead([
      'bootstrap',
      '--name',
      'web',
      '--label',
      'app=web',
      '--ip',
      '10.9.0.1',
      '-o',
      format,
    ]);
    t.equal(bootstrap.code, 0);
    const file = join(scratch, `web.${format}`);
    writeFileSync(file, bootstrap.stdout);
    const routes = await run('--node-file', file, '--type', 'routes');
    t.equal(matches(routes), true, `the node of a bootstrap in ${format}`);
  }
});

t.test('translate: what is printed, and Envoy accepts it', async (t) => {
  const run = (...words: string[]) =>
    fairlead(['translate', '--config', mesh, '--node', 'web', '--ip', '10.9.0.1', ...words]);
  const all = await run();
  const json = JSON.parse(all.stdout) as Record<string, Item[]>;
  t.strictSame(Object.keys(json), ['clusters', 'endpoints', 'listeners', 'routes']);
  t.strictSame(parse((await run('-o', 'yaml')).stdout), json);
  const name = 'outbound|8080|v1|shop.default.svc.cluster.local';
  const one = JSON.parse((await run('--type', 'eds', '--name', name)).stdout);
  t.match(one, [{ clusterName: name }]);
  t.equal(one.length, 1);
  t.notMatch(all.stdout, /"(type_url|typed_config|lb_policy|connect_timeout)"/, 'ProtoJSON names');
  const refused = validateBootstrap({
    node: { id: 'web', cluster: 'web' },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
    },
    static_resources: {
      clusters: [
        { name: 'xds', type: 'STATIC', load_assignment: { cluster_name: 'xds' } },
        ...json['clusters']!,
      ],
      listeners: json['listeners'],
    },
  });
  t.equal(refused, undefined, 'envoy --mode validate');
});

t.test(
  'translate of a mesh with errors: the rest on standard output, the errors beside it',
  async (t) => {
    const { code, stdout, stderr } = await fairlead([
      'translate',
      '--config',
      bad,
      '--node',
      'web',
    ]);
    t.equal(code, 1);
    t.ok(JSON.parse(stdout).listeners.length > 0);
    t.match(stderr, /a\.yaml:8:58: error wrong-type \(IST0106\): /);
  },
);

t.test(
  'translate of a rule that leads nowhere: said, translated as it stands, exit code 0',
  async (t) => {
    const lost = join(scratch, 'lost');
    mkdirSync(lost);
    const rule = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: lost }
spec:
  hosts: [lost.example.com]
  http: [{ route: [{ destination: { host: nobody.example.com } }] }]
`;
    writeFileSync(join(lost, 'rule.yaml'), rule);
    // A rule for a host outside the registry holds on port 80, where there is one.
    const service =
      'apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ name: http, port: 80 }] }\n';
    writeFileSync(join(lost, 'service.yaml'), service);
    const { code, stdout, stderr } = await fairlead([
      ...['translate', '--config', lost, '--node', 'web', '--type', 'routes'],
    ]);
    t.equal(code, 0);
    t.match(stdout, 'outbound|80||nobody.example.com');
    t.match(stderr, /rule\.yaml:6:\d+: error unknown-host \(IST0101\): /);
  },
);

t.test('proxy-config offline: tables, filters, JSON', async (t) => {
  const run = async (type: string, ...words: string[]) => {
    const args = ['proxy-config', type, 'shop-1', '--config', mesh, '--ip', '10.1.0.1', ...words];
    const { code, stdout, stderr } = await fairlead(args);
    t.equal(code, 0, `${args.slice(1, 2)} ${words.join(' ')} ${stderr}`);
    return stdout;
  };
  const rows = (text: string) => text.trim().split('\n').slice(1);

  const clusters = await run('clusters', '--port', '8080', '--host', 'shop');
  t.match(clusters, /^SERVICE FQDN +PORT +SUBSET +DIRECTION +TYPE +DESTINATION RULE\n/);
  t.match(rows(clusters)[0], /^shop\.default\.svc\.cluster\.local +8080 +- +outbound +EDS +shop/);
  t.equal(rows(clusters).length, 2, 'the service and its subset');
  t.equal(rows(await run('cds', '--port', '9')).length, 0);

  const endpoints = await run(
    'endpoint',
    '--name',
    'outbound|8080|v1|shop.default.svc.cluster.local',
  );
  t.match(rows(endpoints), [/^10\.1\.0\.1:8080 +HEALTHY +outbound\|8080\|v1\|shop/]);
  t.equal(rows(await run('eds', '--host', 'elsewhere')).length, 0);

  const listeners = await run('listeners', '--port', '8080');
  t.match(rows(listeners)[0], /^0\.0\.0\.0_8080 +0\.0\.0\.0 +8080 .*Route: 8080$/);
  const virtual = await run('listeners', '--name', 'virtualInbound');
  t.match(virtual, /virtualInbound .*Cluster: inbound\|5432\|\|/s);

  const routes = await run('routes', '--host', 'shop', '--name', '8080');
  t.match(
    rows(routes)[0],
    /^8080 +shop\.default\.svc\.cluster\.local:8080 .*outbound\|8080\|\|shop/,
  );

  const json = JSON.parse(await run('routes', '--port', '8080', '-o', 'json')) as Item[];
  t.strictSame(
    json.map(({ name }) => name),
    ['8080'],
  );
  t.strictSame(Object.keys(JSON.parse(await run('all', '-o', 'json'))), [
    'clusters',
    'endpoints',
    'listeners',
    'routes',
  ]);
  t.equal((await run('all')).split('\n\n').length, 4, 'four tables');
});

t.test('what bootstrap prints is accepted by Envoy', async (t) => {
  for (const words of [
    [],
    ['--type', 'plain', '--protocol', 'sotw'],
    ['--type', 'router', '--xds', '[::1]:15010', '--envoy-admin', 'unix:/tmp/none.sock'],
    ['--metadata', '{"A":{"b":[1]}}', '--locality', 'r/z/s', '--metrics-port', '0'],
  ]) {
    const { code, stdout } = await fairlead(['bootstrap', '--name', 'web-1', ...words]);
    t.equal(code, 0, words.join(' '));
    t.equal(validateBootstrap(JSON.parse(stdout)), undefined);
  }
});
