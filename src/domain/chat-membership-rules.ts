import type { Tx } from '../db/transaction.ts';
import { record } from '../events/record.ts';
import { lock } from './access.ts';
import type { Chat, ChatMember } from './entities.ts';

/**
 * Members by rule are in a chat automatically. The kind of the chat decides who they are. SCHOOL: everyone with a role in the
 * school. STAFF: everyone with a role other than STUDENT. CLASS: the pupils and teachers of the class. SUBJECT: the pupils of
 * the class, and the teachers of the subject in the class. EXTRACURRICULAR: no one. The people who are responsible for a chat
 * moderate it (regulation 2.1 h, 2.2 e, 2.3 c, 2.4 c). `membersByRule` contains all rules, and can be limited to a chat or to
 * people.
 */

/**
 * Returns SQL that selects the members by rule, each with the highest role that a rule gives.
 * @param chats an SQL condition that selects the chats, such as `c.id = $1`: `c` is the table `chat`.
 * @param people the end of an SQL condition on people, such as `= $2`. It is appended to the column with the person's id.
 */
const membersByRule = (chats: string, people?: string): string => {
  const open = (column: string): string => `c.archived_at is null and ${chats}${people === undefined ? '' : ` and ${column} ${people}`}`;
  return `
  select chat_id, school_id, user_id, min(role) as role from (
    select c.id as chat_id, c.school_id, g.user_id,
           case when (c.kind = 'SCHOOL' and g.role = 'PLATFORM_ADMINISTRATOR')
                  or (c.kind = 'STAFF' and g.role = 'SCHOOL_ADMINISTRATION')
                then 'MODERATOR'::chat_role else 'MEMBER'::chat_role end as role
    from chat c join role_grant g on g.school_id = c.school_id and g.ended_at is null
    where (c.kind = 'SCHOOL' or (c.kind = 'STAFF' and g.role <> 'STUDENT')) and ${open('g.user_id')}
    union all
    select c.id, c.school_id, e.student_id, 'MEMBER'::chat_role
    from chat c join enrolment e on e.class_id = c.class_id and e.ended_at is null
    where c.kind in ('CLASS', 'SUBJECT') and ${open('e.student_id')}
    union all
    select c.id, c.school_id, a.user_id,
           case when (c.kind = 'CLASS' and a.kind = 'CLASS_TEACHER') or c.kind = 'SUBJECT'
                then 'MODERATOR'::chat_role else 'MEMBER'::chat_role end
    from chat c join assignment a on a.class_id = c.class_id and a.ended_at is null
    where (c.kind = 'CLASS' or (c.kind = 'SUBJECT' and a.subject_id = c.subject_id)) and ${open('a.user_id')}
  ) rule
  group by chat_id, school_id, user_id`;
};

const insertMembersByRule = `
  insert into chat_member (id, school_id, chat_id, user_id, role, reason)
  select gen_random_uuid(), school_id, chat_id, user_id, role, 'RULE' from (${membersByRule('c.id = $1')}) w
  on conflict (chat_id, user_id) do nothing`;

/** Adds the members by rule to a new chat. Records no event for these members: `chat.created` implies them. */
export async function fillByRule(tx: Tx, chat: Chat): Promise<void> {
  await tx.execute(insertMembersByRule, [chat.id]);
}

const removeWithoutRule = `
  delete from chat_member m
  where m.chat_id = $1 and (
    m.reason = 'RULE' and m.user_id not in (select user_id from (${membersByRule('c.id = $1')}) rule)
    or not exists (select from role_grant g where g.school_id = m.school_id and g.user_id = m.user_id and g.ended_at is null))
  returning m.school_id as "schoolId", m.chat_id as "chatId", m.user_id as "userId", m.role as lost`;

/**
 * Removes members from a chat that was just unarchived: members whom no rule includes any more, and people without a role in
 * the school. `followRules` skipped the chat while it was archived. Members whom a person added stay as long as they have a
 * role. The caller has locked the school, the class and the chat, so memberships by rule cannot change meanwhile.
 */
export async function removeMembersWithoutRule(tx: Tx, chatId: string): Promise<void> {
  const removed = await tx.execute<Change & { lost: ChatMember['role'] }>(removeWithoutRule, [chatId]);
  for (const { lost: _, ...member } of removed) record(tx, 'chatMember.removed', member);
  const lostRole = (['OWNER', 'MODERATOR'] as const).find((role) => removed.some(({ lost }) => lost === role));
  if (lostRole !== undefined) await appointSuccessor(tx, chatId, lostRole);
}

/**
 * Applies the rules to the memberships of people in all chats of a school. Also removes people without a role in the school.
 */
const syncMembers = `
  with holder as materialized (
    select distinct user_id from role_grant where school_id = $1 and user_id = any($2::uuid[]) and ended_at is null
  ), rule as materialized (
    select * from (${membersByRule('c.school_id = $1', '= any($2::uuid[])')}) w where user_id in (select user_id from holder)
  ), removed as (
    delete from chat_member m using chat c
    where c.id = m.chat_id and c.archived_at is null and m.school_id = $1 and m.user_id = any($2::uuid[])
      -- No null is in these lists. With NOT EXISTS, PostgreSQL would read \`rule\` again for each member.
      and (m.reason = 'RULE' and (m.chat_id, m.user_id) not in (select chat_id, user_id from rule)
           or m.user_id not in (select user_id from holder))
    returning m.school_id, m.chat_id, m.user_id, m.role
  ), changed as (
    update chat_member m set role = r.role from rule r
    where m.chat_id = r.chat_id and m.user_id = r.user_id and m.reason = 'RULE' and m.role <> 'OWNER'
      -- A moderator whom a person promoted stays one; one by rule is one as long as the rule says so.
      and (r.role < m.role or (r.role > m.role and m.added_by_id is null))
    returning m.school_id, m.chat_id, m.user_id, case when m.role = 'MEMBER' then 'MODERATOR'::chat_role end as lost
  ), added as (
    insert into chat_member (id, school_id, chat_id, user_id, role, reason)
    select gen_random_uuid(), school_id, chat_id, user_id, role, 'RULE' from rule
    on conflict (chat_id, user_id) do nothing
    returning school_id, chat_id, user_id
  )
  select 'removed' as what, role as lost, school_id as "schoolId", chat_id as "chatId", user_id as "userId" from removed
  union all select 'added', null, school_id, chat_id, user_id from added
  union all select case when lost is null then 'promoted' else 'demoted' end, lost, school_id, chat_id, user_id from changed`;

/**
 * Within the caller's transaction, after every change of roles, enrolments or assignments: applies the rules to the
 * memberships of these people in the chats of the school. Keeps people in chats to which somebody added them by hand, as
 * long as they have a role. Records every change as an event.
 */
export async function followRules(tx: Tx, schoolId: string, ...userIds: readonly string[]): Promise<void> {
  const changes = await tx.execute<AppliedChange>(syncMembers, [schoolId, userIds]);
  for (const kind of changeKinds)
    for (const { what, lost: _, ...member } of changes) if (what === kind) record(tx, `chatMember.${kind}`, member);
  const lostRoles = changes.filter(({ lost }) => lost !== null && lost !== 'MEMBER').sort(byChatAndRole);
  for (const { chatId, lost } of lostRoles) {
    // If two moderators leave at the same time, the second transaction waits here. Then it sees who is left.
    await lock(tx, 'Chat', chatId);
    await appointSuccessor(tx, chatId, lost!);
  }
}

/**
 * Sorts by chat, and within a chat the owner before the moderators. If a chat loses both, the owner gets a successor first:
 * this successor may be the moderator whom the chat needs.
 */
const byChatAndRole = (a: AppliedChange, b: AppliedChange): number =>
  a.chatId === b.chatId ? (a.lost === 'OWNER' ? -1 : 1) : a.chatId < b.chatId ? -1 : 1;

/** The kinds of change, in the order in which their events are recorded. */
const changeKinds = ['removed', 'added', 'promoted', 'demoted'] as const;

type Change = Pick<ChatMember, 'schoolId' | 'chatId' | 'userId'>;

interface Successor extends Change {
  isNew?: boolean;
}

interface AppliedChange extends Change {
  what: (typeof changeKinds)[number];
  lost: ChatMember['role'] | null;
}

const promoteModerator = `
  update chat_member set role = 'OWNER' where id = (
    select m.id from chat_member m join chat c on c.id = m.chat_id
    where c.id = $1 and c.archived_at is null and m.role = 'MODERATOR' order by m.joined_at, m.id limit 1)
  returning school_id as "schoolId", chat_id as "chatId", user_id as "userId"`;

const appointAdministrator = `
  insert into chat_member (id, school_id, chat_id, user_id, role, reason)
  select gen_random_uuid(), c.school_id, c.id, g.user_id, $2::chat_role, 'PERSON'
  from chat c join role_grant g on g.school_id = c.school_id and g.role = 'PLATFORM_ADMINISTRATOR' and g.ended_at is null
  where c.id = $1 and c.archived_at is null
    and not exists (select 1 from chat_member m where m.chat_id = c.id and m.role <> 'MEMBER')
  order by g.started_at, g.id limit 1
  on conflict (chat_id, user_id) do update set role = excluded.role
  -- A row that this statement inserted has no xmax.
  returning school_id as "schoolId", chat_id as "chatId", user_id as "userId", xmax = 0 as "isNew"`;

/**
 * Appoints a successor after a person lost the role `lost` in a locked chat. If the owner left, the moderator who has been
 * in the chat longest becomes the owner. If no moderator remains, the school's first platform administrator gets the role
 * `lost`, because a chat always has a moderator. A former owner who returns does not become the owner again.
 */
export async function appointSuccessor(tx: Tx, chatId: string, lost: ChatMember['role']): Promise<void> {
  if (lost === 'MEMBER') return;
  let successors = lost === 'OWNER' ? await tx.execute<Successor>(promoteModerator, [chatId]) : [];
  if (successors.length === 0) successors = await tx.execute<Successor>(appointAdministrator, [chatId, lost]);
  for (const { isNew, ...member } of successors) {
    if (isNew) record(tx, 'chatMember.added', member);
    record(tx, 'chatMember.promoted', member);
  }
}

/** Returns the role that a rule gives a person in a chat now; null if no rule does. */
export async function roleByRule(tx: Tx, chatId: string, userId: string): Promise<ChatMember['role'] | null> {
  const [member] = await tx.query<{ role: ChatMember['role'] }>(membersByRule('c.id = $1', '= $2'), [chatId, userId]);
  return member?.role ?? null;
}
