import { createServer } from 'node:http';
import { grafserv } from 'postgraphile/grafserv/node';
import { lambda, listen, type Step } from 'postgraphile/grafast';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { extendSchema } from 'postgraphile/utils';
import { handleControl, topicOf, Topics, typeDefs, type LiveEvent } from './live.ts';

/** PostGraphile 5 with a subscription plan as in its documentation (`listen`), on an in-memory async iterator. */

const topics = new Topics<LiveEvent>();

const live = extendSchema({
  typeDefs: typeDefs.replace(/type Query \{[^}]*\}/, '').replace('type Subscription', 'extend type Subscription'),
  objects: {
    Subscription: {
      plans: {
        enrolments: {
          subscribePlan: (_root, args) =>
            listen(topics as never, lambda(args.getRaw() as Step<{ schoolId: string; classId?: string }>, topicOf)),
          plan: ($event) => $event,
        },
      },
    },
  },
});

const preset: GraphileConfig.Preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [live],
  pgServices: [makePgService({ connectionString: process.env.DATABASE_URL })],
  grafserv: { port: Number(process.env.PORT), graphqlPath: '/graphql', websockets: true, graphiql: false, watch: false },
};

const control = { publish: topics.publish.bind(topics), subscribers: () => topics.count };
const server = createServer();
await postgraphile(preset).createServ(grafserv).addTo(server);
const graphql = server.listeners('request');
server.removeAllListeners('request').on('request', (req, res) => {
  if (req.url === '/graphql') for (const listener of graphql) listener.call(server, req, res);
  else void handleControl(req, res, control);
});
server.listen(Number(process.env.PORT), () => process.send?.({ ready: true }));
