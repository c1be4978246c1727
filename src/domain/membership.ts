import { Prisma } from '../db/generated/client.ts';
import type { Tx } from '../db/transaction.ts';
import { record } from '../events/log.ts';
import type { Chat, ChatMember } from './rows.ts';

/**
 * Who is in a chat by rule. The rules, by kind of chat: SCHOOL everyone with a role in the school; STAFF everyone
 * with a role other than STUDENT; CLASS the pupils and teachers of the class; SUBJECT the pupils of the class and the
 * teachers of the subject in it; EXTRACURRICULAR nobody. Those whose work the chat is moderate it (regulation 2.1 h,
 * 2.2 e, 2.3 c, 2.4 c). The rules are one statement, asked of a chat, of a class, or of a person.
 */

/** The members that the rules want, with the highest role that a rule gives each. */
const wanted = (chats: Prisma.Sql): Prisma.Sql => Prisma.sql`
  select chat_id, school_id, user_id, min(role) as role from (
    select c.id as chat_id, c.school_id, g.user_id,
           case when (c.kind = 'SCHOOL' and g.role = 'PLATFORM_ADMINISTRATOR')
                  or (c.kind = 'STAFF' and g.role = 'SCHOOL_ADMINISTRATION')
                then 'MODERATOR'::chat_role else 'MEMBER'::chat_role end as role
    from chat c join role_grant g on g.school_id = c.school_id and g.ended_at is null
    where c.kind = 'SCHOOL' or (c.kind = 'STAFF' and g.role <> 'STUDENT')
    union all
    select c.id, c.school_id, e.student_id, 'MEMBER'::chat_role
    from chat c join enrolment e on e.class_id = c.class_id and e.ended_at is null
    where c.kind in ('CLASS', 'SUBJECT')
    union all
    select c.id, c.school_id, a.user_id,
           case when (c.kind = 'CLASS' and a.kind = 'CLASS_TEACHER') or c.kind = 'SUBJECT'
                then 'MODERATOR'::chat_role else 'MEMBER'::chat_role end
    from chat c join assignment a on a.class_id = c.class_id and a.ended_at is null
    where c.kind = 'CLASS' or (c.kind = 'SUBJECT' and a.subject_id = c.subject_id)
  ) rule
  where chat_id in (select id from chat where archived_at is null and ${chats})
  group by chat_id, school_id, user_id`;

/** Puts into a new chat everyone whom a rule puts there. The chat's own event tells of them. */
export async function fillByRule(tx: Tx, chat: Chat): Promise<void> {
  await tx.$executeRaw(Prisma.sql`
    insert into chat_member (id, school_id, chat_id, user_id, role, reason)
    select gen_random_uuid(), school_id, chat_id, user_id, role, 'RULE' from (${wanted(Prisma.sql`id = ${chat.id}::uuid`)}) w
    on conflict (chat_id, user_id) do nothing`);
}

/**
 * Makes the chats that a person's roles, enrolment or assignments decide agree with them: the step that every change
 * of those ends with. Rows that a person made stay; each coming and going is an event.
 */
export async function followRules(tx: Tx, schoolId: string, userId: string): Promise<void> {
  type Change = Pick<ChatMember, 'schoolId' | 'chatId' | 'userId'>;
  const inSchool = Prisma.sql`school_id = ${schoolId}::uuid`;
  const rules = Prisma.sql`select * from (${wanted(inSchool)}) w where w.user_id = ${userId}::uuid`;
  const removed = await tx.$queryRaw<Change[]>(Prisma.sql`
    delete from chat_member m using chat c
    where c.id = m.chat_id and c.archived_at is null and m.school_id = ${schoolId}::uuid and m.user_id = ${userId}::uuid
      and (m.reason = 'RULE' and not exists (select 1 from (${rules}) r where r.chat_id = m.chat_id)
           or not exists (select 1 from role_grant g where g.school_id = m.school_id and g.user_id = m.user_id and g.ended_at is null))
    returning m.school_id as "schoolId", m.chat_id as "chatId", m.user_id as "userId"`);
  await tx.$executeRaw(Prisma.sql`
    update chat_member m set role = r.role from (${rules}) r
    where m.chat_id = r.chat_id and m.user_id = r.user_id and m.reason = 'RULE' and m.role <> 'OWNER'
      -- A moderator whom a person promoted stays one; one by rule is one as long as the rule says so.
      and (r.role < m.role or (r.role > m.role and m.added_by_id is null))`);
  const added = await tx.$queryRaw<Change[]>(Prisma.sql`
    insert into chat_member (id, school_id, chat_id, user_id, role, reason)
    select gen_random_uuid(), school_id, chat_id, user_id, role, 'RULE' from (${rules}) r
    on conflict (chat_id, user_id) do nothing
    returning school_id as "schoolId", chat_id as "chatId", user_id as "userId"`);
  for (const member of removed) record(tx, 'chatMember.removed', member);
  for (const member of added) record(tx, 'chatMember.added', member);
  for (const { chatId } of removed) await keepModerated(tx, chatId);
}

/** A chat is never left without a moderator: where none remains, the school's first platform administrator is one. */
export async function keepModerated(tx: Tx, chatId: string): Promise<void> {
  type Change = Pick<ChatMember, 'schoolId' | 'chatId' | 'userId'>;
  const promoted = await tx.$queryRaw<Change[]>(Prisma.sql`
    insert into chat_member (id, school_id, chat_id, user_id, role, reason)
    select gen_random_uuid(), c.school_id, c.id, g.user_id, 'MODERATOR', 'PERSON'
    from chat c join role_grant g on g.school_id = c.school_id and g.role = 'PLATFORM_ADMINISTRATOR' and g.ended_at is null
    where c.id = ${chatId}::uuid and c.archived_at is null
      and not exists (select 1 from chat_member m where m.chat_id = c.id and m.role <> 'MEMBER')
    order by g.started_at, g.id limit 1
    on conflict (chat_id, user_id) do update set role = 'MODERATOR'
    returning school_id as "schoolId", chat_id as "chatId", user_id as "userId"`);
  for (const member of promoted) record(tx, 'chatMember.promoted', member);
}
