import type pg from 'pg';
import type { Actor, ChatRole, Role, ServiceScope, UserActor } from '../policy/actor.ts';
import type { Database } from '../db/client.ts';
import type { Credential } from './tokens.ts';

export type Ended = 'SESSION_ENDED' | 'USER_DEACTIVATED' | 'TOKEN_EXPIRED';

export type Loaded = Actor | { ended: Ended };

interface Rights {
  grants: { schoolId: string; role: Role }[];
  assignments: { schoolId: string; classId: string; subjectId: string | null }[];
  enrolment: { schoolId: string; classId: string } | null;
  chats: [chatId: string, role: ChatRole][];
}

type Row =
  | { kind: 'user'; id: string; active: boolean; about: Rights & { userId: string; deactivated: boolean; stale: boolean } }
  | { kind: 'service'; id: string; active: boolean; about: { schoolId: string; scopes: ServiceScope[] } };

const rights = `
  'grants', (select coalesce(json_agg(json_build_object('schoolId', g.school_id, 'role', g.role)), '[]')
    from role_grant g where g.user_id = u.id and g.ended_at is null),
  'assignments', (select coalesce(json_agg(json_build_object(
      'schoolId', a.school_id, 'classId', a.class_id, 'subjectId', a.subject_id)), '[]')
    from assignment a join class c on c.id = a.class_id and c.archived_at is null
    where a.user_id = u.id and a.ended_at is null),
  'enrolment', (select json_build_object('schoolId', e.school_id, 'classId', e.class_id)
    from enrolment e where e.student_id = u.id and e.ended_at is null limit 1),
  'chats', (select coalesce(json_agg(json_build_array(m.chat_id, m.role)), '[]')
    from chat_member m where m.user_id = u.id)`;

const ofSessions = `
  select 'user' as kind, s.id::text as id, s.ended_at is null and s.expires_at > now() as active, json_build_object(
    'userId', u.id, 'deactivated', u.deactivated_at is not null,
    'stale', s.last_seen_at < now() - interval '5 minutes', ${rights}) as about
  from session s join app_user u on u.id = s.user_id
  where s.id =`;

const ofClients = `
  select 'service' as kind, c.id, c.ended_at is null as active, json_build_object('schoolId', c.school_id, 'scopes', c.scopes) as about
  from oauth_client c
  where c.secret_hash is not null and c.school_id is not null and c.id =`;

/** Returns the statement that loads the actors. A single session, the common case, has its own prepared statement. */
function statementFor(sessions: string[], clients: string[]): pg.QueryConfig {
  if (sessions.length === 1 && clients.length === 0) return { name: 'actor', text: `${ofSessions} $1::uuid`, values: sessions };
  const text = `${ofSessions} any($1::uuid[]) union all ${ofClients} any($2::text[])`;
  return { name: 'actors', text, values: [sessions, clients] };
}

/**
 * Loads the actor of each credential: who sends the request, and with which rights. Uses one statement. The result is
 * in the order of `credentials`. Rights are never cached: a right revoked a moment ago is not in the result.
 */
export async function loadActors(db: Database, credentials: readonly Credential[]): Promise<Loaded[]> {
  if (credentials.length === 0) return [];
  const sessions = new Set<string>();
  const clients = new Set<string>();
  for (const credential of credentials)
    if (credential.kind === 'user') sessions.add(credential.sessionId);
    else clients.add(credential.clientId);
  const { rows } = await db.reads.query<Row>(statementFor([...sessions], [...clients]));
  const found = new Map(rows.map((row) => [`${row.kind} ${row.id}`, row]));
  const now = Date.now() / 1000;
  const stale: string[] = [];
  const loaded = credentials.map((credential): Loaded => {
    if (credential.expiresAt <= now) return { ended: 'TOKEN_EXPIRED' };
    const { kind, expiresAt } = credential;
    const row = found.get(kind === 'user' ? `user ${credential.sessionId}` : `service ${credential.clientId}`);
    if (kind === 'service') {
      if (row?.kind !== 'service' || !row.active) return { ended: 'SESSION_ENDED' };
      const { schoolId, scopes } = row.about;
      return { kind, clientId: credential.clientId, schoolId, expiresAt, scopes: scopes.filter((s) => credential.scopes.includes(s)) };
    }
    if (row?.kind !== 'user' || row.about.userId !== credential.userId) return { ended: 'SESSION_ENDED' };
    if (row.about.deactivated) return { ended: 'USER_DEACTIVATED' };
    if (!row.active) return { ended: 'SESSION_ENDED' };
    if (row.about.stale) stale.push(row.id);
    return userActor(credential.userId, credential.sessionId, expiresAt, row.about);
  });
  if (stale.length > 0) updateLastSeen(db, stale);
  return loaded;
}

const userActor = (userId: string, sessionId: string, expiresAt: number, loaded: Rights): UserActor => ({
  kind: 'user',
  userId,
  sessionId,
  expiresAt,
  grants: loaded.grants,
  assignments: loaded.assignments,
  enrolment: loaded.enrolment,
  chats: new Map(loaded.chats),
});

/**
 * Updates `last_seen_at` of sessions, of each session at most once in five minutes. Does not wait for the statement.
 * If it fails, the next call updates the sessions.
 */
function updateLastSeen(db: Database, sessionIds: string[]): void {
  const text = `update session set last_seen_at = now() where id = any($1::uuid[]) and last_seen_at < now() - interval '5 minutes'`;
  db.pool.query(text, [sessionIds]).catch(() => undefined);
}

const noSession = '00000000-0000-0000-0000-000000000000';

/**
 * Returns the actor of a person who has just proved their identity but has no session. The actor is valid for one
 * minute, for one operation. Returns undefined if the person does not exist or was deactivated.
 */
export async function loadPerson(db: Database, userId: string): Promise<UserActor | undefined> {
  const { rows } = await db.reads.query<{ about: Rights }>({
    name: 'person',
    text: `select json_build_object(${rights}) as about from app_user u where u.id = $1::uuid and u.deactivated_at is null`,
    values: [userId],
  });
  return rows[0] && userActor(userId, noSession, Math.floor(Date.now() / 1000) + 60, rows[0].about);
}
