import type { InvitationHandOver, InvitationUse } from '../db/generated/client.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, invalid, notFound } from '../errors.ts';
import { record } from '../events/record.ts';
import { find, findInvitation, findSchool, lock } from './access.ts';
import { lockOpenClass } from './classes.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { closed, newSecret, statusOf, type InvitationStatus } from './invitation-link.ts';
import { paginateChildren } from './connection.ts';
import { readable } from './resources.ts';
import type { Invitation, Page, PageArgs, School, User } from './entities.ts';
import { normalizeOptionalLine } from './text.ts';

/** Invitation links: made by the administrator, handed over, stopped. How people join by them: src/domain/join-by-invitation.ts. */

export { acceptInvitation, previewInvitation, signUp, type InvitationPreview } from './join-by-invitation.ts';
export { linkOf, statusOf, type InvitationStatus } from './invitation-link.ts';
export type { InvitationHandOver, InvitationUse };

export interface CreateInvitationInput extends Repeatable {
  schoolId: string;
  role: Invitation['role'];
  classId?: string | null;
  label?: string | null;
  maxUses?: number | null;
  expiresAt?: Date | null;
}

const day = 86_400_000;

/** Makes a link that gives a role; a pupils' link is of one class. Its maker holds it until it is handed over. Regulation 2.1 c. */
export async function createInvitation(ctx: Context, input: CreateInvitationInput): Promise<Invitation> {
  const school = await findSchool(ctx, input.schoolId, 'invitation.create');
  const classId = await classOf(ctx, school, input);
  const data = {
    schoolId: school.id,
    role: input.role,
    classId,
    label: normalizeOptionalLine('label', input.label, 100) ?? null,
    maxUses: uses(input.maxUses ?? (input.role === 'STUDENT' ? 40 : 1)),
    expiresAt: expiry(input.expiresAt ?? new Date(Date.now() + 14 * day)),
    createdById: actingUserId(ctx),
    holderId: actingUserId(ctx),
  };
  return mutate(ctx, (tx) =>
    idempotent(ctx, tx, 'invitation.create', input, (id) => tx.invitation.findUniqueOrThrow({ where: { id } }), async () => {
      if (classId !== null) await lockOpenClass(tx, classId, 'hold');
      const invitation = await tx.invitation.create({ data: { ...data, ...newSecret(ctx) } });
      record(tx, 'invitation.created', { schoolId: school.id, invitationId: invitation.id });
      return invitation;
    }),
  );
}

async function classOf(ctx: Context, school: School, { role, classId }: CreateInvitationInput): Promise<string | null> {
  if ((role === 'STUDENT') !== (typeof classId === 'string'))
    throw invalid('classId', ['Класс указывают для ссылок учеников, и только для них.', 'Links for pupils, and no others, name a class.']);
  if (typeof classId !== 'string') return null;
  if ((await find(ctx, 'Class', classId, 'classId')).schoolId !== school.id) throw notFound('classId');
  return classId;
}

function uses(count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > 1000)
    throw invalid('maxUses', ['Число использований — от 1 до 1000.', 'The number of uses is from 1 to 1000.']);
  return count;
}

function expiry(at: Date): Date {
  if (at.getTime() <= Date.now() || at.getTime() > Date.now() + 366 * day)
    throw invalid('expiresAt', ['Срок — в будущем, не дальше года.', 'The end is in the future, at most a year from now.']);
  return at;
}

/**
 * Gives a link to a person, who then sees it, and records who gave it to whom and when. Does nothing for its present
 * holder, if that person may hold it. Staff links go to staff (regulation 2.1 d), a pupils' link to the class teacher of
 * its class alone (2.1 e).
 */
export async function handOverInvitation(ctx: Context, input: { invitationId: string; userId: string }): Promise<Invitation> {
  const { id, schoolId, classId } = await findInvitation(ctx, input.invitationId, 'invitation.handOver');
  const receiver = await find(ctx, 'User', input.userId, 'userId');
  return mutate(ctx, async (tx) => {
    if (classId !== null) await lock(tx, 'Class', classId, 'hold');
    // Roles and work change under the same lock, so the receiver is fit until the commit.
    await lock(tx, 'User', receiver.id);
    const invitation = await lockActive(tx, id);
    await refuseUnfit(tx, invitation, receiver.id);
    if (invitation.holderId === receiver.id) return invitation;
    await tx.invitationHandOver.create({
      data: { schoolId, invitationId: id, fromId: invitation.holderId, toId: receiver.id },
    });
    record(tx, 'invitation.handedOver', { schoolId, invitationId: id, userId: receiver.id });
    return tx.invitation.update({ where: { id }, data: { holderId: receiver.id } });
  });
}

async function refuseUnfit(tx: Tx, { schoolId, classId }: Invitation, userId: string): Promise<void> {
  const current = { schoolId, userId, endedAt: null };
  if ((await tx.roleGrant.count({ where: { ...current, role: { not: 'STUDENT' } } })) === 0)
    throw conflict(['Ссылку передают только сотрудникам школы.', 'A link is handed to staff of the school only.'], {
      path: ['userId'],
      clause: '2.1 d',
    });
  if (classId !== null && (await tx.assignment.count({ where: { ...current, classId, kind: 'CLASS_TEACHER' } })) === 0)
    throw conflict(
      ['Ссылку для учеников передают только классному руководителю этого класса.', "A pupils' link is handed to the class teacher of that class only."],
      { path: ['userId'], clause: '2.1 e' },
    );
}

async function lockActive(tx: Tx, id: string): Promise<Invitation> {
  const invitation = await lock(tx, 'Invitation', id);
  const status = statusOf(invitation);
  if (status !== 'ACTIVE') throw closed(status, 'invitationId');
  return invitation;
}

/** Stops a link for good. Stopping it again changes nothing. Regulation 2.1 c. */
export async function revokeInvitation(ctx: Context, input: { invitationId: string }): Promise<Invitation> {
  const { id, schoolId } = await findInvitation(ctx, input.invitationId, 'invitation.revoke');
  return mutate(ctx, async (tx) => {
    const invitation = await lock(tx, 'Invitation', id);
    if (invitation.revokedAt !== null) return invitation;
    record(tx, 'invitation.revoked', { schoolId, invitationId: id });
    return tx.invitation.update({ where: { id }, data: { revokedAt: new Date() } });
  });
}

/** Gives an invitation another link, for one that fell into wrong hands; the old one opens nothing. Regulation 2.1 c. */
export async function rotateInvitation(ctx: Context, input: { invitationId: string }): Promise<Invitation> {
  const { id, schoolId } = await findInvitation(ctx, input.invitationId, 'invitation.rotate');
  return mutate(ctx, async (tx) => {
    await lockActive(tx, id);
    record(tx, 'invitation.rotated', { schoolId, invitationId: id });
    return tx.invitation.update({ where: { id }, data: { ...newSecret(ctx), rotatedAt: new Date() } });
  });
}

export interface InvitationFilter {
  status?: InvitationStatus | null;
  role?: Invitation['role'] | null;
  classId?: string | null;
}

const newestFirst = { tag: 'invitation', keys: [{ field: 'id', direction: 'desc', type: 'string' }] } as const;

/** The invitations of a school that the actor may read, the newest first. */
export function invitationsOf(ctx: Context, school: School, args: PageArgs & InvitationFilter): Promise<Page<Invitation>> {
  return paginateChildren<Invitation>(ctx, { model: 'School', id: school.id, relation: 'invitations' }, args, newestFirst, {
    AND: [
      args.status ? inStatus(ctx, args.status) : {},
      args.role ? { role: args.role } : {},
      args.classId ? { classId: args.classId } : {},
      readable(ctx.actor, 'Invitation'),
    ],
  });
}

/** `statusOf` as a filter; the moment is a whole second, so that schools asked together are asked in one statement. */
function inStatus(ctx: Context, status: InvitationStatus) {
  const now = new Date(Math.floor(Date.now() / 1000) * 1000);
  const { maxUses } = ctx.db.prisma.invitation.fields;
  const open = { revokedAt: null, expiresAt: { gt: now } };
  return {
    REVOKED: { revokedAt: { not: null } },
    EXPIRED: { revokedAt: null, expiresAt: { lte: now } },
    USED_UP: { ...open, useCount: { gte: maxUses } },
    ACTIVE: { ...open, useCount: { lt: maxUses } },
  }[status];
}

/** The links that a person holds, where the actor may read them, the newest first. Regulation 2.3 b. */
export function heldBy(ctx: Context, user: User, args: PageArgs): Promise<Page<Invitation>> {
  const parent = { model: 'User', id: user.id, relation: 'heldLinks' } as const;
  return paginateChildren<Invitation>(ctx, parent, args, newestFirst, readable(ctx.actor, 'Invitation'));
}

/** Who has joined by the link, the latest first. Whoever reads the invitation reads who used it. */
export function usesOf(ctx: Context, invitation: Invitation, args: PageArgs): Promise<Page<InvitationUse>> {
  const order = { tag: 'use', keys: [{ field: 'id', direction: 'desc', type: 'string' }] } as const;
  return paginateChildren<InvitationUse>(ctx, { model: 'Invitation', id: invitation.id, relation: 'uses' }, args, order, {});
}

/** Through whose hands the link went, the first first; every invitation of a level in one statement. */
export async function handOversOf(ctx: Context, invitation: Invitation): Promise<InvitationHandOver[]> {
  const acts = await ctx.loaders.of<InvitationHandOver[]>('Invitation.handOvers', invitation.id, async (ids) => {
    const rows = await ctx.db.prisma.invitation.findMany({
      relationLoadStrategy: 'join',
      where: { id: { in: [...ids] } },
      select: { id: true, handOvers: { orderBy: { id: 'asc' } } },
    });
    return new Map(rows.map((row) => [row.id, row.handOvers]));
  });
  return acts ?? [];
}
