import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { handleControl, topicOf, Topics, typeDefs, type LiveEvent } from './live.ts';

/** graphql-ws on ws, set up as in its documentation, with an in-memory async iterator. */

const topics = new Topics<LiveEvent>();
const schema = buildSchema(typeDefs);
Object.assign(schema.getSubscriptionType()!.getFields().enrolments!, {
  subscribe: (_root: unknown, args: { schoolId: string; classId?: string }) => topics.subscribe(topicOf(args)),
  resolve: (event: LiveEvent) => event,
});

const control = { publish: topics.publish.bind(topics), subscribers: () => topics.count };
const server = createServer((req, res) => void handleControl(req, res, control));
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }));
server.listen(Number(process.env.PORT), () => process.send?.({ ready: true }));
