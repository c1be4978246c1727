import { randomBytes } from 'node:crypto';
import { deriveCode, hashCode } from '../auth/seal.ts';
import { conflict, type Refusal } from '../errors.ts';
import type { Context } from './context.ts';
import type { Invitation } from './entities.ts';

/** The link of an invitation: its secret and its status. */

export type InvitationStatus = 'ACTIVE' | 'EXPIRED' | 'USED_UP' | 'REVOKED';

/** Returns the status at `now`. Archiving a class revokes its invitations. */
export function statusOf(invitation: Invitation, now = new Date()): InvitationStatus {
  if (invitation.revokedAt !== null) return 'REVOKED';
  if (invitation.expiresAt <= now) return 'EXPIRED';
  return invitation.useCount < invitation.maxUses ? 'ACTIVE' : 'USED_UP';
}

/** What a person sees of an invitation before joining by its link. */
export interface InvitationPreview {
  schoolName: string;
  className: string | null;
  role: Invitation['role'];
  expiresAt: Date;
  /** The given name of the one person whom a personal invitation is for; null for other links. Only for the join page. */
  givenName: string | null;
}

/** Returns the columns of a new secret: 256 random bits, from which the code is derived, and the hash of the code. */
export function newSecret(ctx: Context): Pick<Invitation, 'nonce' | 'codeHash'> {
  const nonce = new Uint8Array(randomBytes(32));
  return { nonce, codeHash: hashCode(deriveCode(ctx.config.secretKey, nonce)) };
}

/** Returns the URL of an active invitation; null for an invitation with another status. */
export const linkOf = (ctx: Context, invitation: Invitation): string | null =>
  statusOf(invitation) === 'ACTIVE' ? `${ctx.config.publicUrl}/join/${deriveCode(ctx.config.secretKey, invitation.nonce)}` : null;

export function linkClosed(status: Exclude<InvitationStatus, 'ACTIVE'>, path: string): Refusal {
  const messages = {
    REVOKED: ['Эта ссылка отозвана.', 'This link has been revoked.'],
    EXPIRED: ['Срок этой ссылки истёк.', 'This link has expired.'],
    USED_UP: ['Все места по этой ссылке заняты.', 'All seats of this link are taken.'],
  } as const;
  return conflict(messages[status], { path: [path] });
}
