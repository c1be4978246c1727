import type { CodegenConfig } from '@graphql-codegen/cli';

/**
 * Types and documents for the operations that tests and clients send: `CreateChatDocument`, `CreateChatMutation`,
 * `CreateChatMutationVariables`. Generated from files only, so it needs no server.
 */
const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: 'test/operations/**/*.graphql',
  generates: {
    'test/generated/operations.ts': {
      plugins: ['typescript-operations', 'typed-document-node'],
      config: { useTypeImports: true, strictScalars: true, scalars: { ID: 'string', DateTime: 'string', Date: 'string', JSON: 'unknown' } },
    },
  },
};

export default config;
