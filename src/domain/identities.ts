import { conflict, forbidden, invalid } from '../errors.ts';
import { mutate, type Context } from './context.ts';
import { opaqueKey } from './text.ts';

/** Identities of people at trusted issuers. The tokens of these issuers sign the people in. */

/**
 * Binds (issuer, subject) of a trusted issuer to a person. Only the operator may. Does nothing if this identity is bound to
 * the person already.
 * @throws INVALID for an issuer that is not in TRUSTED_ISSUERS, CONFLICT if the identity is bound to another person.
 */
export async function bindIdentity(ctx: Context, input: { userId: string; issuer: string; subject: string }): Promise<void> {
  if (ctx.actor.kind !== 'operator') throw forbidden();
  const issuer = opaqueKey('issuer', input.issuer, 500);
  const subject = opaqueKey('subject', input.subject, 255);
  if (!ctx.config.trustedIssuers.some((trusted) => trusted.issuer === issuer))
    throw invalid('issuer', [
      'Этого издателя нет в TRUSTED_ISSUERS. Значения должны совпадать полностью.',
      'This issuer is not in TRUSTED_ISSUERS. The values must match exactly.',
    ]);
  await mutate(ctx, async (tx) => {
    const bound = await tx.prisma.userIdentity.upsert({
      where: { issuer_subject: { issuer, subject } },
      update: {},
      create: { issuer, subject, userId: input.userId },
    });
    if (bound.userId !== input.userId)
      throw conflict(
        ['Эта внешняя учётная запись уже привязана к другому человеку.', 'This identity is already bound to another person.'],
        { path: ['subject'] },
      );
    await tx.prisma.user.updateMany({ where: { id: input.userId, joinedAt: null }, data: { joinedAt: new Date() } });
  });
}
