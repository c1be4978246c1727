import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { contextOf, resolvers, typeDefs, type PeerContext } from './school.ts';

/** Apollo Server, in production mode, with dataloader. */

const server = new ApolloServer<PeerContext>({ typeDefs, resolvers: resolvers as never, introspection: false });
await startStandaloneServer(server, {
  listen: { port: Number(process.env.PORT), host: '127.0.0.1' },
  context: ({ req }) => Promise.resolve(contextOf(req.headers)),
});
process.send?.({ ready: true });
