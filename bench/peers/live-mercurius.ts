import Fastify from 'fastify';
import mercurius, { type MercuriusContext } from 'mercurius';
import { topicOf, typeDefs, type LiveEvent } from './live.ts';

/** Mercurius with graphql-jit and its own in-memory emitter. */

const app = Fastify();
let subscribers = 0;
await app.register(mercurius, {
  schema: typeDefs,
  jit: 1,
  subscription: { context: () => ({}) },
  resolvers: {
    Subscription: {
      enrolments: {
        subscribe: async (_root: unknown, args: { schoolId: string; classId?: string }, { pubsub }: MercuriusContext) => {
          const queue = await pubsub.subscribe<unknown>(topicOf(args));
          subscribers += 1;
          (queue as unknown as NodeJS.ReadableStream).once('close', () => (subscribers -= 1));
          return queue;
        },
        resolve: (event: LiveEvent) => event,
      },
    },
  },
});
app.post<{ Body: { topics: string[]; event: LiveEvent } }>('/publish', ({ body }) => {
  for (const topic of body.topics) app.graphql.pubsub.publish({ topic, payload: body.event });
  return {};
});
app.get('/subscribers', () => ({ subscribers }));
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
process.send?.({ ready: true });
