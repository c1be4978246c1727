import Fastify from 'fastify';
import mercurius from 'mercurius';
import { contextOf, resolvers, typeDefs } from './school.ts';

/** Mercurius on Fastify, with graphql-jit from the first execution, and dataloader. */

const app = Fastify();
await app.register(mercurius, { schema: typeDefs, resolvers: resolvers as never, jit: 1, context: ({ headers }) => contextOf(headers) });
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
process.send?.({ ready: true });
