// The import table of ARCHITECTURE.md, as rules. A folder may import only what its line names.
const table = {
  lib: [],
  kinds: ['lib', 'envoy'],
  config: ['kinds', 'lib'],
  store: ['kinds', 'config', 'lib'],
  mesh: ['kinds', 'lib'],
  envoy: ['lib'],
  translate: ['mesh', 'envoy', 'lib'],
  snapshot: ['envoy', 'lib'],
  xds: ['snapshot', 'envoy', 'lib'],
  status: ['lib', 'kinds', 'mesh', 'envoy', 'snapshot', 'xds', 'store'],
  admin: ['status', 'kinds', 'lib', 'envoy'],
};
const npm = {
  lib: [],
  kinds: ['zod'],
  config: ['yaml'],
  store: [],
  mesh: [],
  envoy: ['protobufjs', '@grpc/proto-loader'],
  translate: [],
  snapshot: [],
  xds: ['@grpc/grpc-js'],
  status: ['prom-client'],
  admin: ['fastify', '@fastify/.*'],
};
const pure = ['kinds', 'mesh', 'translate'];

const rules = Object.entries(table).map(([folder, allowed]) => ({
  name: `${folder}-imports`,
  comment: `src/${folder} may import only: ${allowed.join(', ') || 'nothing of ours'}`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: {
    path: '^src/',
    pathNot: [`^src/${folder}/`, ...allowed.map((other) => `^src/${other}/`)],
    ...(folder === 'admin' ? { dependencyTypesNot: ['type-only'] } : {}),
  },
}));
const packages = Object.entries(npm).map(([folder, allowed]) => ({
  name: `${folder}-packages`,
  comment: `src/${folder} may use only: ${allowed.join(', ') || 'no npm package'}`,
  severity: 'error',
  from: { path: `^src/${folder}/`, pathNot: '^src/envoy/gen/' },
  to: {
    dependencyTypes: ['npm', 'npm-dev', 'npm-no-pkg', 'npm-unknown', 'npm-peer', 'npm-optional'],
    pathNot: allowed.map((name) => `node_modules/${name}/`),
  },
}));

module.exports = {
  forbidden: [
    ...rules,
    ...packages,
    {
      name: 'pure-folders',
      comment: 'kinds, mesh and translate do no I/O (isIP of node:net is a pure function)',
      severity: 'error',
      from: { path: `^src/(${pure.join('|')})/` },
      to: { dependencyTypes: ['core'], pathNot: '^net$' },
    },
    {
      name: 'only-cli-wires',
      comment: 'Only cli (and the package entry) imports control-plane.ts',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/cli/', '^src/control-plane.ts$'] },
      to: { path: '^src/control-plane.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: { pathNot: '^src/envoy/gen/' },
      to: { circular: true },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/envoy/gen/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types'] },
  },
};
