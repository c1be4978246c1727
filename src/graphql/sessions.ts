import { notFound } from '../errors.ts';
import { endOtherSessions, endSession, sessionsOf } from '../domain/sessions.ts';
import { viewer } from '../domain/viewer.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

node('Session', {
  description: 'A sign-in of yours in one client application. Only you can see it.',
  plural: 'sessions',
  fields: (t) => ({
    clientId: t.exposeString('clientId', { description: 'The OAuth client ID of the application.' }),
    device: t.exposeString('device', {
      nullable: true,
      description: 'The browser and the operating system, such as «Firefox, Windows»; null if unknown.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When you signed in.' }),
    lastSeenAt: t.expose('lastSeenAt', { type: 'DateTime', description: 'When the session was last used, accurate to five minutes.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description:
        'When the session expires if it is not used. Every token refresh sets it to 30 days from then, unless the server is configured otherwise.',
    }),
    endedAt: t.expose('endedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the session was ended; null for a session that was not ended, even if it has expired.',
    }),
    current: t.boolean({
      extensions: { ofViewer: true },
      description: 'Whether this session is the one in which you make this request.',
      resolve: (session, _args, { actor }) => actor.kind === 'user' && actor.sessionId === session.id,
    }),
  }),
});

connection('User', 'sessions', {
  of: 'Session',
  description: 'Your own active sessions, newest first; empty for any other person.',
  list: sessionsOf,
});

mutation('endSession', {
  description: 'Ends one of your sessions and revokes its tokens. Ending an ended session changes nothing.',
  returns: 'Session',
  inputDescription: 'The session to end, which must be yours.',
  input: (t) => ({
    sessionId: id(t, 'Session', {
      required: true,
      description: 'One of your own sessions, which may be the current one. NOT_FOUND for any other session.',
    }),
  }),
  run: endSession,
});

mutation('endOtherSessions', {
  description: 'Ends all of your sessions except the current one, and revokes their tokens. Returns the viewer.',
  returns: 'User',
  inputDescription: 'An optional check that you are signed in to the account that you expect.',
  input: (t) => ({
    userId: id(t, 'User', { description: 'Your own ID. NOT_FOUND if you are signed in to another account. Default: no check.' }),
  }),
  run: async (ctx, { userId }) => {
    const user = await viewer(ctx);
    if (user !== null && typeof userId === 'string' && userId !== user.id) throw notFound('userId');
    await endOtherSessions(ctx);
    return user!;
  },
});
