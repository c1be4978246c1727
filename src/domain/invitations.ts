import type { InvitationHandOver, InvitationUse } from '../db/generated/client.ts';
import type { Tx } from '../db/transaction.ts';
import { conflict, invalid, notFound } from '../errors.ts';
import type { Order } from '../reader/keyset.ts';
import { record } from '../events/record.ts';
import { find, findFor, lock } from './access.ts';
import { lockOpenClass } from './classes.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { linkClosed, newSecret, statusOf, type InvitationStatus } from './invitation-link.ts';
import { paginateChildren } from './connection.ts';
import { directionOf, orderBy, type OrderBy } from './list-order.ts';
import { readable } from './resources.ts';
import type { Invitation, Page, PageArgs, School, User } from './entities.ts';
import { normalizeOptionalLine } from './text.ts';

/** Creates, hands over, rotates and revokes invitation links. People join by them in src/domain/join-by-invitation.ts. */

export { acceptInvitation, previewInvitation, signUp } from './join-by-invitation.ts';
export { linkOf, statusOf, type InvitationPreview, type InvitationStatus } from './invitation-link.ts';
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

/**
 * Creates a link that gives a role. A link for pupils is for one class. The creator holds the link until
 * `handOverInvitation`. Regulation 2.1 c.
 */
export async function createInvitation(ctx: Context, input: CreateInvitationInput): Promise<Invitation> {
  const school = await findFor(ctx, 'School', input.schoolId, 'invitation.create');
  const classId = await classOf(ctx, school, input);
  const data = {
    schoolId: school.id,
    role: input.role,
    classId,
    label: normalizeOptionalLine('label', input.label, 100) ?? null,
    maxUses: checkMaxUses(input.maxUses ?? (input.role === 'STUDENT' ? 40 : 1)),
    expiresAt: checkExpiry(input.expiresAt ?? new Date(Date.now() + 14 * day)),
    createdById: actingUserId(ctx),
    holderId: actingUserId(ctx),
  };
  return mutate(ctx, (tx) =>
    idempotent(ctx, tx, {
      action: 'invitation.create',
      input,
      load: (id) => tx.prisma.invitation.findUniqueOrThrow({ where: { id } }),
      create: async () => {
        if (classId !== null) await lockOpenClass(tx, classId, 'hold');
        const invitation = await tx.prisma.invitation.create({ data: { ...data, ...newSecret(ctx) } });
        record(tx, 'invitation.created', { schoolId: school.id, invitationId: invitation.id });
        return invitation;
      },
    }),
  );
}

/**
 * Returns the checked class of a new pupil; null for other roles.
 * @throws INVALID for a pupil without a class and for another role with a class; NOT_FOUND for a class of another school.
 */
export async function classOf(
  ctx: Context,
  school: School,
  { role, classId }: Pick<CreateInvitationInput, 'role' | 'classId'>,
): Promise<string | null> {
  if ((role === 'STUDENT') !== (typeof classId === 'string'))
    throw invalid('classId', [
      'Для учеников укажите класс, для других ролей не указывайте его.',
      'Give a class for pupils, and omit it for other roles.',
    ]);
  if (typeof classId !== 'string') return null;
  if ((await find(ctx, 'Class', classId, 'classId')).schoolId !== school.id) throw notFound('classId');
  return classId;
}

function checkMaxUses(count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > 1000)
    throw invalid('maxUses', ['Число использований должно быть от 1 до 1000.', 'The number of uses must be between 1 and 1000.']);
  return count;
}

function checkExpiry(expiresAt: Date): Date {
  if (expiresAt.getTime() <= Date.now() || expiresAt.getTime() > Date.now() + 366 * day)
    throw invalid('expiresAt', [
      'Срок действия должен быть в будущем, не позже чем через год.',
      'The expiry must be in the future, at most a year from now.',
    ]);
  return expiresAt;
}

/**
 * Hands a link over to a person, who can then see it. Records the previous holder, the new holder and the time. Does nothing
 * if the person holds the link already.
 * @throws CONFLICT for a link that is not active, and for a receiver who is not staff (regulation 2.1 d). A link for pupils
 *   goes only to the class teacher of its class: CONFLICT for another receiver (2.1 e).
 */
export async function handOverInvitation(ctx: Context, input: { invitationId: string; userId: string }): Promise<Invitation> {
  const { id, schoolId, classId } = await findFor(ctx, 'Invitation', input.invitationId, 'invitation.handOver');
  const receiver = await find(ctx, 'User', input.userId, 'userId');
  return mutate(ctx, async (tx) => {
    if (classId !== null) await lock(tx, 'Class', classId, 'hold');
    // Changes of roles and assignments need this lock too, so what `refuseHolder` checks stays true until the commit.
    await lock(tx, 'User', receiver.id);
    const invitation = await lockActive(tx, id);
    await refuseHolder(tx, invitation, receiver.id);
    if (invitation.holderId === receiver.id) return invitation;
    await tx.prisma.invitationHandOver.create({ data: { schoolId, invitationId: id, fromId: invitation.holderId, toId: receiver.id } });
    record(tx, 'invitation.handedOver', { schoolId, invitationId: id, userId: receiver.id });
    return tx.prisma.invitation.update({ where: { id }, data: { holderId: receiver.id } });
  });
}

async function refuseHolder(tx: Tx, { schoolId, classId }: Invitation, userId: string): Promise<void> {
  const current = { schoolId, userId, endedAt: null };
  if ((await tx.prisma.roleGrant.count({ where: { ...current, role: { not: 'STUDENT' } } })) === 0)
    throw conflict(['Ссылку можно передать только сотруднику школы.', 'A link can be handed over only to staff of the school.'], {
      path: ['userId'],
      clause: '2.1 d',
    });
  if (classId !== null && (await tx.prisma.assignment.count({ where: { ...current, classId, kind: 'CLASS_TEACHER' } })) === 0)
    throw conflict(
      [
        'Ссылку для учеников можно передать только классному руководителю этого класса.',
        'A pupils’ link can be handed over only to the class teacher of its class.',
      ],
      { path: ['userId'], clause: '2.1 e' },
    );
}

async function lockActive(tx: Tx, id: string): Promise<Invitation> {
  const invitation = await lock(tx, 'Invitation', id);
  const status = statusOf(invitation);
  if (status !== 'ACTIVE') throw linkClosed(status, 'invitationId');
  return invitation;
}

/** Revokes a link permanently. Does nothing for a revoked link. Regulation 2.1 c. */
export async function revokeInvitation(ctx: Context, input: { invitationId: string }): Promise<Invitation> {
  const { id, schoolId } = await findFor(ctx, 'Invitation', input.invitationId, 'invitation.revoke');
  return mutate(ctx, async (tx) => {
    const invitation = await lock(tx, 'Invitation', id);
    if (invitation.revokedAt !== null) return invitation;
    record(tx, 'invitation.revoked', { schoolId, invitationId: id });
    return tx.prisma.invitation.update({ where: { id }, data: { revokedAt: new Date() } });
  });
}

/** Replaces the link of an invitation, for example after a leak. The old link stops working. Regulation 2.1 c. */
export async function rotateInvitation(ctx: Context, input: { invitationId: string }): Promise<Invitation> {
  const { id, schoolId } = await findFor(ctx, 'Invitation', input.invitationId, 'invitation.rotate');
  return mutate(ctx, async (tx) => {
    await lockActive(tx, id);
    record(tx, 'invitation.rotated', { schoolId, invitationId: id });
    return tx.prisma.invitation.update({ where: { id }, data: { ...newSecret(ctx), rotatedAt: new Date() } });
  });
}

export interface InvitationFilter {
  status?: InvitationStatus | null;
  role?: Invitation['role'] | null;
  classId?: string | null;
  orderBy?: OrderBy<'CREATED_AT' | 'EXPIRES_AT'> | null;
}

const newestFirst = { tag: 'invitation', keys: [{ field: 'id', direction: 'desc', type: 'string' }] } as const;

function orderOf(order: InvitationFilter['orderBy']): Order {
  if (!order) return newestFirst;
  const direction = directionOf(order.direction);
  // Orders by id: an id is a UUID of version 7, which starts with the time of creation.
  if (order.field === 'CREATED_AT')
    return direction === 'desc' ? newestFirst : orderBy('invitation', { field: 'id', type: 'string' }, 'asc');
  return orderBy('invitation', { field: 'expiresAt', type: 'date' }, direction, 'id');
}

/** Returns the invitations of a school that the actor may read, by default newest first. */
export function invitationsOf(ctx: Context, school: School, args: PageArgs & InvitationFilter): Promise<Page<Invitation>> {
  return paginateChildren<Invitation>(ctx, { model: 'School', id: school.id, relation: 'invitations' }, args, {
    order: orderOf(args.orderBy),
    filter: {
      AND: [
        args.status ? statusFilter(ctx, args.status) : {},
        args.role ? { role: args.role } : {},
        args.classId ? { classId: args.classId } : {},
        readable(ctx.actor, 'Invitation'),
      ],
    },
  });
}

/**
 * Returns the filter of the invitations with a status, by the rules of `statusOf`. Rounds the time to a second. So the lists
 * of one request get equal filters, and one SQL statement can read them.
 */
function statusFilter(ctx: Context, status: InvitationStatus) {
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

/** Returns the links that a person holds and the actor may read, newest first. Regulation 2.3 b. */
export function heldBy(ctx: Context, user: User, args: PageArgs): Promise<Page<Invitation>> {
  const parent = { model: 'User', id: user.id, relation: 'heldLinks' } as const;
  return paginateChildren<Invitation>(ctx, parent, args, { order: newestFirst, filter: readable(ctx.actor, 'Invitation') });
}

/** Returns the uses of a link, latest first. Visible to everyone who may read the invitation. */
export function usesOf(ctx: Context, invitation: Invitation, args: PageArgs): Promise<Page<InvitationUse>> {
  const order = { tag: 'use', keys: [{ field: 'id', direction: 'desc', type: 'string' }] } as const;
  return paginateChildren<InvitationUse>(ctx, { model: 'Invitation', id: invitation.id, relation: 'uses' }, args, { order, filter: {} });
}

/** Returns the hand-overs of a link, oldest first; batched. */
export async function handOversOf(ctx: Context, invitation: Invitation): Promise<InvitationHandOver[]> {
  const handOvers = await ctx.loaders.of<InvitationHandOver[]>('Invitation.handOvers', invitation.id, async (ids) => {
    const rows = await ctx.db.prisma.invitation.findMany({
      relationLoadStrategy: 'join',
      where: { id: { in: [...ids] } },
      select: { id: true, handOvers: { orderBy: { id: 'asc' } } },
    });
    return new Map(rows.map((row) => [row.id, row.handOvers]));
  });
  return handOvers ?? [];
}
