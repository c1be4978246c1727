import { randomBytes } from 'node:crypto';
import { deriveCode, hashCode } from '../auth/seal.ts';
import { newId } from '../db/ids.ts';
import type { Tx } from '../db/transaction.ts';
import { actingUserId, type Context } from './context.ts';

/**
 * Writes personal invitations. A personal invitation has one seat, for a person who exists but cannot sign in yet. By its
 * link the person chooses a login and a password (src/domain/join-by-personal-invitation.ts). An invitation is open if it is
 * neither used nor revoked. The unique index invitation_person_open_key allows each person one open invitation. Regulation
 * 2.1 c.
 */

/**
 * Days for which a personal invitation works. The invitations of a whole class are printed and handed over in person, which
 * takes weeks.
 */
const validDays = 90;

interface Issue {
  schoolId: string;
  userIds: readonly string[];
}

/** The condition for an open personal invitation: the same as that of the index invitation_person_open_key. */
const open = 'user_id is not null and revoked_at is null and use_count = 0';

const insertInvitations = (condition: string, onOpen: string): string => `
  insert into invitation (id, school_id, user_id, role, nonce, code_hash, max_uses, created_by_id, expires_at)
  select new.id, $1, new.user_id, held.role, decode(new.nonce, 'hex'), decode(new.code_hash, 'hex'), 1, $2, $3
  from jsonb_to_recordset($4::jsonb) as new (id uuid, user_id uuid, nonce text, code_hash text)
  join app_user person on person.id = new.user_id and person.joined_at is null
  join lateral (
    select min(role) as role from role_grant where school_id = $1 and user_id = new.user_id and ended_at is null
  ) held on held.role is not null
  where ${condition}
  on conflict (user_id) where ${open} ${onOpen}
  returning user_id as "userId"`;

/** A school issues no link to the account of a person who has a role in another school. */
const hasNoRoleElsewhere = 'not exists (select from role_grant where user_id = new.user_id and school_id <> $1 and ended_at is null)';

const keepOpen = insertInvitations(hasNoRoleElsewhere, 'do nothing');
const replaceOpen = insertInvitations(
  'true',
  `do update set nonce = excluded.nonce, code_hash = excluded.code_hash, expires_at = excluded.expires_at, rotated_at = now(),
                 school_id = excluded.school_id, role = excluded.role`,
);

/**
 * Within the caller's transaction, in one statement: issues personal invitations. Leaves out people without a role in the
 * school or with a role in another school, people who can sign in, and people with an open invitation. Returns the ids of the
 * people who got an invitation. Records no event: `user.created` implies the invitation.
 */
export async function issuePersonalInvitations(ctx: Context, tx: Tx, issue: Issue): Promise<string[]> {
  const issued = await tx.execute<{ userId: string }>(keepOpen, valuesOf(ctx, issue));
  return issued.map(({ userId }) => userId);
}

/**
 * Like `issuePersonalInvitations`, for one person, who may have a role in another school. Replaces the link of an open
 * invitation: the old link stops working.
 */
export async function replacePersonalInvitation(
  ctx: Context,
  tx: Tx,
  { schoolId, userId }: { schoolId: string; userId: string },
): Promise<void> {
  await tx.execute(replaceOpen, valuesOf(ctx, { schoolId, userIds: [userId] }));
}

function valuesOf(ctx: Context, { schoolId, userIds }: Issue): unknown[] {
  const rows = userIds.map((userId) => {
    const nonce = randomBytes(32);
    const code = deriveCode(ctx.config.secretKey, nonce);
    return { id: newId(), user_id: userId, nonce: nonce.toString('hex'), code_hash: hashCode(code).toString('hex') };
  });
  const expiresAt = new Date(Date.now() + validDays * 86_400_000);
  return [schoolId, actingUserId(ctx), expiresAt.toISOString(), JSON.stringify(rows)];
}

/**
 * Within the caller's transaction, after roles ended: revokes the open invitations of the given people who have no role in
 * the school any more.
 */
export async function revokeWithoutRole(tx: Tx, schoolId: string, userIds: readonly string[]): Promise<void> {
  await tx.execute(
    `update invitation i set revoked_at = now() where school_id = $1 and user_id = any($2::uuid[]) and ${open}
       and not exists (select from role_grant g where g.school_id = $1 and g.user_id = i.user_id and g.ended_at is null)
     returning id`,
    [schoolId, userIds],
  );
}
