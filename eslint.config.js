import graphql from '@graphql-eslint/eslint-plugin';
import tseslint from 'typescript-eslint';
import { noRowCopies } from './scripts/no-row-copies.mjs';

/** Rules that find bugs, not rules of style: types, the contract of the schema, and code that must not be committed. */

const only = '^(describe|it|test|suite)$';

/** Selectors of state in a module: it belongs to a field of the database handle, the schema or the context of a request. */
const moduleState = [
  'Program > VariableDeclaration[kind=let]',
  'Program > ExportNamedDeclaration > VariableDeclaration[kind=let]',
  ...['Program', 'Program > ExportNamedDeclaration'].flatMap((place) => [
    `${place} > VariableDeclaration > VariableDeclarator[init.type=NewExpression][init.callee.name=/^(WeakMap|WeakSet)$/]`,
    // An empty Map or Set that is typed as readonly is a constant.
    `${place} > VariableDeclaration > VariableDeclarator[init.type=NewExpression][init.callee.name=/^(Map|Set)$/][init.arguments.length=0]:not([id.typeAnnotation.typeAnnotation.typeName.name=/^Readonly/])`,
    `${place} > VariableDeclaration > VariableDeclarator[init.type=ArrayExpression][init.elements.length=0]:not([id.typeAnnotation.typeAnnotation.operator=readonly])`,
  ]),
].map((selector) => ({ selector, message: 'No state in a module: make it a field of something with a name.' }));

const noGetters = {
  selector: "ObjectExpression > Property[kind='get']",
  message: 'V8 keeps what it sees until its next full collection: write a class (docs/profile.md).',
};

const graphqlFiles = (files, rules) => ({
  files,
  plugins: { '@graphql-eslint': graphql },
  languageOptions: {
    parser: graphql.parser,
    parserOptions: { graphQLConfig: { schema: 'schema.graphql', documents: 'test/operations/**/*.graphql' } },
  },
  rules,
});

export default tseslint.config(
  { ignores: ['dist/', 'bench/', 'src/db/generated/', 'test/generated/', '.sfera/', 'coverage/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-deprecated': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // A function may implement an asynchronous interface without awaiting anything.
      '@typescript-eslint/require-await': 'off',
      // Many objects are closures: their methods do not use `this` and may be passed unbound.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 4],
      '@typescript-eslint/no-shadow': 'error',
      'no-restricted-syntax': ['error', noGetters, ...moduleState],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/config.ts'],
    rules: {
      'no-restricted-properties': ['error', { object: 'process', property: 'env', message: 'Settings are read in src/config.ts, once.' }],
      'no-restricted-imports': [
        'error',
        {
          paths: ['process', 'node:process'].map((name) => ({
            name,
            importNames: ['env', 'default'],
            message: 'Settings are read in src/config.ts, once.',
          })),
        },
      ],
    },
  },
  { files: ['src/**/*.ts'], plugins: { rows: { rules: { 'no-copies': noRowCopies } } }, rules: { 'rows/no-copies': 'error' } },
  {
    // The engines keep caches and buffers of the process in their modules. Their functions run for each value of an answer,
    // where an object of parameters would be an allocation.
    files: ['src/{executor,reader}/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', noGetters], 'max-params': 'off' },
  },
  { files: ['src/cli.ts', 'test/**/*.ts', 'scripts/**/*.ts', 'bench/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...[`object.name=/${only}/`, `object.object.name=/${only}/`].map((selector) => ({
          selector: `MemberExpression[${selector}][property.name=/^(only|skip|todo)$/]`,
          message: 'Every test that is committed runs.',
        })),
      ],
      // Responses have no type until the test asserts their content.
      ...Object.fromEntries(
        ['assignment', 'member-access', 'argument', 'call', 'return', 'enum-comparison'].map((use) => [
          `@typescript-eslint/no-unsafe-${use}`,
          'off',
        ]),
      ),
      '@typescript-eslint/no-explicit-any': 'off',
      // openid-client marks plain HTTP as deprecated; the issuers of the tests are on loopback.
      '@typescript-eslint/no-deprecated': 'off',
    },
  },
  graphqlFiles(['schema.graphql'], {
    ...graphql.configs['flat/schema-recommended'].rules,
    ...graphql.configs['flat/schema-relay'].rules,
    '@graphql-eslint/require-description': [
      'error',
      {
        types: true,
        rootField: true,
        DirectiveDefinition: true,
        FieldDefinition: true,
        InputValueDefinition: true,
        EnumValueDefinition: true,
      },
    ],
    // Input types are in PascalCase, mutations in camelCase.
    '@graphql-eslint/input-name': ['error', { checkInputType: true, caseSensitiveInputType: false, checkQueries: false }],
    '@graphql-eslint/no-scalar-result-type-on-mutation': 'error',
    // Lists of values, ids and unpaged rows (roles of a person) are plain; an event or a use of an invitation is found
    // by its cursor, so its type is no Node.
    '@graphql-eslint/relay-edge-types': ['error', { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false }],
    // Connections, edges, refusals and what subscriptions say have no identity.
    '@graphql-eslint/strict-id-in-types': 'off',
    // `Class.classTeacher` is the word of the regulation.
    '@graphql-eslint/no-typename-prefix': 'off',
  }),
  graphqlFiles(['test/operations/**/*.graphql'], {
    ...graphql.configs['flat/operations-recommended'].rules,
    // A rule for clients with a cache; the tests' client has none.
    '@graphql-eslint/require-selections': 'off',
    // The same limit as the server's.
    '@graphql-eslint/selection-set-depth': ['error', { maxDepth: 15 }],
  }),
);
