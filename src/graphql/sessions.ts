import { notFound } from '../errors.ts';
import { endOtherSessions, endSession, sessionsOf } from '../domain/sessions.ts';
import { viewer } from '../domain/viewer.ts';
import { builder, idOf, mutation, optionalIdOf } from './builder.ts';
import { SessionConnection, SessionRef, UserRef } from './refs.ts';

builder.node(SessionRef, {
  description: 'One sign-in of yours in one program. Nobody else sees it.',
  id: { resolve: (session) => session.id, description: 'Global id.' },
  fields: (t) => ({
    clientId: t.exposeString('clientId', { description: 'The program that was signed in to.' }),
    device: t.exposeString('device', { nullable: true, description: 'The browser and system in words; null where they are not known.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When you signed in.' }),
    lastSeenAt: t.expose('lastSeenAt', { type: 'DateTime', description: 'When it was last used, to five minutes.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it ends by itself.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When it was ended; null while it lasts.' }),
    current: t.boolean({
      extensions: { ofViewer: true },
      description: 'Is it the one that asks? Depends on who asks.',
      resolve: (session, _args, { actor }) => actor.kind === 'user' && actor.sessionId === session.id,
    }),
  }),
});

builder.objectField(UserRef, 'sessions', (t) =>
  t.connection(
    {
      type: SessionRef,
      description: 'Your own sessions that have not ended, the newest first; empty for anybody else.',
      resolve: (user, args, ctx) => sessionsOf(ctx, user, args),
    },
    SessionConnection,
  ),
);

const EndSessionInput = builder.inputType('EndSessionInput', {
  description: 'The session to end.',
  fields: (t) => ({ sessionId: t.id({ required: true, description: 'A session of yours.' }) }),
});

mutation('endSession', {
  description: 'Ends a session of yours; its tokens count no more. Ending it again changes nothing.',
  returns: SessionRef,
  input: EndSessionInput,
  run: (ctx, input) => endSession(ctx, { sessionId: idOf('Session', input.sessionId, 'sessionId') }),
});

const EndOtherSessionsInput = builder.inputType('EndOtherSessionsInput', {
  description: 'Whose other sessions to end.',
  fields: (t) => ({
    userId: t.id({ description: 'Yourself: a check that the sessions are those you mean. May be left out.' }),
  }),
});

mutation('endOtherSessions', {
  description: 'Ends every session of yours but the one that asks; answers you.',
  returns: UserRef,
  input: EndOtherSessionsInput,
  run: async (ctx, input) => {
    const meant = optionalIdOf('User', input.userId, 'userId');
    const you = await viewer(ctx);
    if (you !== null && meant !== null && meant !== you.id) throw notFound('userId');
    await endOtherSessions(ctx);
    return you!;
  },
});
