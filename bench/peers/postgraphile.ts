import './with-resolvers.ts';
import { createServer } from 'node:http';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';

/** PostGraphile 5 on the tables of our server. PostGraphile turns a query into one SQL statement. */

const preset: GraphileConfig.Preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: process.env.DATABASE_URL, poolConfig: { max: 10 } })],
  grafserv: { port: Number(process.env.PORT), graphqlPath: '/graphql', graphiql: false, watch: false },
  // This plugin would remove the pupils of a class from the schema, because it expects a different index for that
  // relation.
  disablePlugins: ['PgIndexBehaviorsPlugin'],
  schema: { defaultBehavior: '+list' },
};

const server = createServer();
await postgraphile(preset).createServ(grafserv).addTo(server);
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.({ ready: true }));
