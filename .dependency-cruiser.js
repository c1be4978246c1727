/** The import rules of the layers; `npm run check` and test/architecture.test.ts hold the code to them. */

const src = (...folders) => `^src/(${folders.join('|')})/`;

/** A folder imports only what stands to its left; folders of one step do not import one another. */
const steps = [
  ['reader', 'executor', 'roster'],
  ['policy'],
  ['db'],
  ['auth'],
  ['events'],
  ['domain'],
  ['graphql', 'jobs', 'adapters'],
  ['http'],
  ['commands'],
];

const layers = steps.slice(0, -1).flatMap((step, at) =>
  step.map((folder) => ({
    name: `${folder}-imports-leftwards`,
    comment: `src/${folder}/ imports only what stands to its left: ${steps.slice(0, at).flat().join(', ') || 'no other folder'}.`,
    severity: 'error',
    from: { path: src(folder) },
    to: {
      path: src(
        ...steps
          .slice(at)
          .flat()
          .filter((other) => other !== folder),
      ),
    },
  })),
);

const names = 'utils|helpers|common|shared|core|lib|services|manager|base|misc';

/** In graphql/, the files that every noun may import. */
const grounds =
  '^src/graphql/(builder|connection|context|enums|external-id-types|field-cost|mutation|node|order-input|scalars|stream|typed-id)\\.ts$';

export default {
  forbidden: [
    ...layers,
    {
      name: 'engines-stand-alone',
      comment: 'src/reader/ and src/executor/ could be packages: they import no file of src but their own.',
      severity: 'error',
      from: { path: src('reader', 'executor') },
      to: { path: '^src/[^/]+$' },
    },
    {
      name: 'roster-stands-alone',
      comment: 'src/roster/ could be a package: beside its own files it imports the type of a message, and the search for a mistyped word.',
      severity: 'error',
      from: { path: src('roster') },
      to: { path: '^src/[^/]+$', pathNot: '^src/(errors|suggestions)\\.ts$' },
    },
    {
      name: 'commands-only-for-the-command-line',
      comment: 'src/commands/ is what cli.ts runs; the server needs none of it.',
      severity: 'error',
      from: { path: '^src/[^/]+$', pathNot: '^src/cli\\.ts$' },
      to: { path: src('commands') },
    },
    {
      name: 'nothing-imports-the-entrances',
      comment: 'main.ts and cli.ts start things; what two of them need stands in a layer.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/(main|cli)\\.ts$' },
    },
    {
      name: 'ground-files-import-no-layer',
      comment: 'errors.ts, logger.ts, config.ts and uuid.ts may be imported by all but the engines, so they import no folder.',
      severity: 'error',
      from: { path: '^src/(errors|logger|config|uuid)\\.ts$' },
      to: { path: '^src/[^/]+/' },
    },
    {
      name: 'policy-is-pure',
      comment: 'src/policy/ imports itself and errors.ts: no database, no GraphQL, no package.',
      severity: 'error',
      from: { path: src('policy') },
      to: { pathNot: [src('policy'), '^src/errors\\.ts$'] },
    },
    {
      name: 'graphql-only-on-domain-and-events',
      comment: "src/graphql/ parses, calls one operation and returns its row; rows and rights are the domain's. Types count.",
      severity: 'error',
      from: { path: src('graphql') },
      to: { path: src('db', 'policy', 'auth') },
    },
    {
      name: 'graphql-nouns-apart',
      comment: 'Nouns of src/graphql/ import builder and the files beside it that serve all, never one another; schema.ts collects them.',
      severity: 'error',
      from: { path: '^src/graphql/([^/.]+)', pathNot: '^src/graphql/schema\\.ts$' },
      to: { path: src('graphql'), pathNot: [grounds, '^src/graphql/$1/'] },
    },
    {
      name: 'graphql-only-for-http',
      comment: 'Only src/http/ imports src/graphql/.',
      severity: 'error',
      from: { path: '^src/', pathNot: src('graphql', 'http') },
      to: { path: src('graphql') },
    },
    {
      name: 'http-pages-apart',
      comment: 'The pages are for people without JavaScript; they share no code with the GraphQL API but what stands in src/http/ itself.',
      severity: 'error',
      from: { path: '^src/http/pages/' },
      to: { path: '^src/http/(graphql|live|websocket)/' },
    },
    {
      name: 'http-api-without-pages',
      comment: 'The GraphQL API sends no HTML.',
      severity: 'error',
      from: { path: '^src/http/(graphql|live|websocket)/' },
      to: { path: '^src/http/pages/' },
    },
    {
      name: 'http-live-and-websocket-apart',
      comment: 'live/ executes and websocket/ transports; they meet in the interfaces of src/events/live/.',
      severity: 'error',
      from: { path: '^src/http/(live|websocket)/' },
      to: { path: '^src/http/(live|websocket)/', pathNot: '^src/http/$1/' },
    },
    {
      name: 'http-graphql-under-every-transport',
      comment: 'graphql/ answers operations of HTTP and of WebSockets, so it imports no socket.',
      severity: 'error',
      from: { path: '^src/http/graphql/' },
      to: { path: '^src/http/websocket/' },
    },
    {
      name: 'generated-client-near-the-rows',
      comment: "Prisma's generated client is for db, and for its types and `Prisma.sql` in events and domain.",
      severity: 'error',
      from: { path: '^src/', pathNot: src('db', 'auth', 'events', 'domain') },
      to: { path: '^src/db/generated/' },
    },
    {
      name: 'generated-types-only-in-auth',
      comment: 'Auth knows the rows it keeps by their types; it queries through db.',
      severity: 'error',
      from: { path: src('auth') },
      to: { path: '^src/db/generated/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-cycles',
      comment: 'Imports, those of types too, go one way.',
      severity: 'error',
      from: { path: '^(src|test|scripts)/', pathNot: '^src/db/generated/' },
      to: { circular: true },
    },
    {
      name: 'src-stands-alone',
      comment: 'What is served needs neither tests nor scripts nor bench.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|bench)/' },
    },
    {
      name: 'only-dependencies-are-served',
      comment: 'src/ imports what package.json names under dependencies; anything else is missing after `npm ci --omit=dev`.',
      severity: 'error',
      // The way of tests and scripts to the worker; it is not compiled into dist.
      from: { path: '^src/', pathNot: '^src/db/embedded/worker-source\\.mjs$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'], pathNot: '/@types/' },
    },
    {
      name: 'everything-is-found',
      comment: 'An import names a file or a package that is there. The one exception is a package of types alone.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^@graphql-typed-document-node/core$' },
    },
    {
      name: 'names-that-say-something',
      comment: `A file or folder says what it holds: not ${names.replaceAll('|', ', ')}, and no index.ts.`,
      severity: 'error',
      module: {
        path: `^(src|test|scripts|bench)/(.*/)?((${names})(/|\\.ts$)|index\\.ts$)`,
        pathNot: '^src/db/generated/',
        // The condition that this kind of rule needs; no file has so many.
        numberOfDependentsLessThan: 100,
      },
      from: {},
    },
  ],
  options: {
    doNotFollow: { path: ['^node_modules/', '^src/db/generated/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['types', 'import', 'node', 'default'],
      extensions: ['.ts', '.js'],
    },
  },
};
