import { randomBytes } from 'node:crypto';
import { deriveCode, hashCode } from '../auth/seal.ts';
import { conflict, type Refusal } from '../errors.ts';
import type { Context } from './context.ts';
import type { Invitation } from './entities.ts';

/** The link of an invitation: its secret, and whether it still opens. */

export type InvitationStatus = 'ACTIVE' | 'EXPIRED' | 'USED_UP' | 'REVOKED';

/** Whether the link opens now. One of an archived class was revoked with it. */
export function statusOf(invitation: Invitation, now = new Date()): InvitationStatus {
  if (invitation.revokedAt !== null) return 'REVOKED';
  if (invitation.expiresAt <= now) return 'EXPIRED';
  return invitation.useCount < invitation.maxUses ? 'ACTIVE' : 'USED_UP';
}

/** The columns of a fresh secret: 256 random bits, of which the code is derived, and the hash that the code is found by. */
export function newSecret(ctx: Context): Pick<Invitation, 'nonce' | 'codeHash'> {
  const nonce = new Uint8Array(randomBytes(32));
  return { nonce, codeHash: hashCode(deriveCode(ctx.config.secretKey, nonce)) };
}

/** The address to open, while it opens; for those who may read the invitation. */
export const linkOf = (ctx: Context, invitation: Invitation): string | null =>
  statusOf(invitation) === 'ACTIVE'
    ? `${ctx.config.publicUrl}/join/${deriveCode(ctx.config.secretKey, invitation.nonce)}`
    : null;

/** Why a link that does not open is refused. */
export function closed(status: Exclude<InvitationStatus, 'ACTIVE'>, path: string): Refusal {
  const say = {
    REVOKED: ['Эта ссылка отключена.', 'This link was stopped.'],
    EXPIRED: ['Срок этой ссылки истёк.', 'This link has expired.'],
    USED_UP: ['По этой ссылке уже вошло столько человек, сколько можно.', 'This link has been used as many times as it may be.'],
  } as const;
  return conflict(say[status], { path: [path] });
}
