import { demandPassword, hashPassword } from '../auth/passwords.ts';
import { notFound } from '../errors.ts';
import { record } from '../events/record.ts';
import { lock } from './access.ts';
import { mutate, refusalOf, type Context } from './context.ts';
import type { Invitation, User } from './entities.ts';
import { statusOf } from './invitation-link.ts';
import { admitSignUp, countUse, findByCode } from './join-by-invitation.ts';
import { refuseTaken, signInNameOf } from './sign-in-names.ts';

/**
 * Gives a person who cannot sign in yet a login and a password, by a personal invitation. Regulation 2.2 a, 2.3 a, 2.4 a,
 * 2.5 a.
 */

export interface AcceptPersonalInvitationInput {
  code: string;
  signInName: string;
  password: string;
}

/**
 * Gives the person of a personal invitation the login and the password that the person chose. The person has the role, the
 * class and the chats already. Works once.
 * @throws NOT_FOUND unless the code belongs to an open personal invitation; RATE_LIMITED after too many unknown codes or
 *   failed attempts, as for other invitations; CONFLICT for a taken login.
 */
export async function acceptPersonalInvitation(ctx: Context, input: AcceptPersonalInvitationInput): Promise<User> {
  const invitation = await findByCode(ctx, input.code);
  if (invitation === null || invitation.userId === null || statusOf(invitation) !== 'ACTIVE') throw notFound('code');
  const signInName = signInNameOf(input.signInName);
  demandPassword(input.password, input.signInName);
  const giveBack = await admitSignUp(ctx, invitation.id);
  try {
    const user = await giveLogin(ctx, invitation, { signInName, password: input.password });
    await giveBack();
    return user;
  } catch (error) {
    if (refusalOf(error)?.code === 'UNAVAILABLE') await giveBack();
    throw error;
  }
}

async function giveLogin(ctx: Context, invitation: Invitation, login: { signInName: string; password: string }): Promise<User> {
  const { id, schoolId, codeHash } = invitation;
  const { signInName } = login;
  const userId = invitation.userId!;
  const passwordHash = await hashPassword(login.password);
  return mutate(ctx, async (tx) => {
    await refuseTaken(tx, signInName);
    const { joinedAt, deactivatedAt } = await lock(tx, 'User', userId);
    const [counted] = joinedAt === null && deactivatedAt === null ? await tx.execute(countUse, [id, codeHash]) : [];
    // Somebody used or reissued the invitation meanwhile.
    if (counted === undefined) throw notFound('code');
    await tx.prisma.invitationUse.create({ data: { schoolId, invitationId: id, userId } });
    record(tx, 'personalInvitation.accepted', { schoolId, userId });
    return tx.prisma.user.update({ where: { id: userId }, data: { signInName, passwordHash, joinedAt: new Date(), locale: ctx.language } });
  });
}
