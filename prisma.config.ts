import { defineConfig } from 'prisma/config';

// `prisma generate` asks for a schema engine it does not use; any executable stands in, so that nothing is downloaded.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({ schema: 'prisma/schema.prisma', migrations: { path: 'prisma/migrations' } });
