import type { Facts } from '../policy/permissions.ts';
import type { Database } from '../db/client.ts';

/** Loads the facts that decide about a person, by one statement. */
export async function loadFactsOfUser(db: Pick<Database, 'reads'>, userId: string): Promise<Facts['user']> {
  const { rows } = await db.reads.query<Pick<Facts['user'], 'places' | 'chats'>>({
    name: 'facts of a user',
    text: `
      select
        (select coalesce(json_agg(json_build_object('schoolId', school_id, 'staff', staff, 'classId', class_id, 'current', ended_at is null)), '[]') from (
          select school_id, role <> 'STUDENT' as staff, null::uuid as class_id, ended_at from role_grant where user_id = $1
          union all select school_id, false, class_id, ended_at from enrolment where student_id = $1
          union all select school_id, false, class_id, ended_at from assignment where user_id = $1) place) as places,
        (select coalesce(json_agg(json_build_object('schoolId', school_id, 'chatId', chat_id)), '[]') from chat_member where user_id = $1) as chats`,
    values: [userId],
  });
  return { userId, ...rows[0]! };
}
