import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { contextOf, resolvers, typeDefs } from './school.ts';

/** Plain Yoga with its parse and validation caches, and dataloader. */

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers: resolvers as never }),
  context: ({ request }) => contextOf({ 'x-viewer': request.headers.get('x-viewer') }),
  graphiql: false,
  logging: false,
});
createServer((request, response) => void yoga(request, response)).listen(Number(process.env.PORT), '127.0.0.1', () =>
  process.send?.({ ready: true }),
);
