import { notFound } from '../errors.ts';
import { endOtherSessions, endSession, sessionsOf } from '../domain/sessions.ts';
import { viewer } from '../domain/viewer.ts';
import { builder, idOf, mutation, optionalIdOf } from './builder.ts';
import { SessionConnection, SessionRef, UserRef } from './refs.ts';

builder.node(SessionRef, {
  description: 'A sign-in of yours in one client application. Only you can see it.',
  id: { resolve: (session) => session.id },
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
      description: 'When the session expires unless it is used: every token refresh extends it, by default to 30 days.',
    }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When the session was ended; null if it was not.' }),
    current: t.boolean({
      extensions: { ofViewer: true },
      description: 'Whether the request was made in this session. Depends on the viewer.',
      resolve: (session, _args, { actor }) => actor.kind === 'user' && actor.sessionId === session.id,
    }),
  }),
});

builder.objectField(UserRef, 'sessions', (t) =>
  t.connection(
    {
      type: SessionRef,
      description: 'Your own active sessions, newest first; empty for any other person.',
      resolve: (user, args, ctx) => sessionsOf(ctx, user, args),
    },
    SessionConnection,
  ),
);

const EndSessionInput = builder.inputType('EndSessionInput', {
  description: 'The session to end, which must be yours.',
  fields: (t) => ({ sessionId: t.id({ required: true, description: 'One of your sessions; NOT_FOUND for any other.' }) }),
});

mutation('endSession', {
  description: 'Ends one of your sessions and revokes its tokens. Ending it again changes nothing.',
  returns: SessionRef,
  input: EndSessionInput,
  run: (ctx, input) => endSession(ctx, { sessionId: idOf('Session', input.sessionId, 'sessionId') }),
});

const EndOtherSessionsInput = builder.inputType('EndOtherSessionsInput', {
  description: 'An optional check of the account whose sessions end.',
  fields: (t) => ({
    userId: t.id({ description: 'Your own ID, to make sure that the sessions are yours: NOT_FOUND for any other. May be omitted.' }),
  }),
});

mutation('endOtherSessions', {
  description: 'Ends all of your other sessions and revokes their tokens. Returns the viewer.',
  returns: UserRef,
  input: EndOtherSessionsInput,
  run: async (ctx, input) => {
    const expectedId = optionalIdOf('User', input.userId, 'userId');
    const user = await viewer(ctx);
    if (user !== null && expectedId !== null && expectedId !== user.id) throw notFound('userId');
    await endOtherSessions(ctx);
    return user!;
  },
});
