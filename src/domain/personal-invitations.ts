import { can, where } from '../policy/can.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import { authorize, find, lock } from './access.ts';
import { orderByText, paginateChildren } from './connection.ts';
import { mutate, type Context } from './context.ts';
import type { Class, Enrolment, Invitation, Page, PageArgs, RoleGrant, User } from './entities.ts';
import { linkOf, statusOf } from './invitation-link.ts';
import { replacePersonalInvitation } from './issue-personal-invitations.ts';
import { loadFactsOfUser } from './resources.ts';

/** Reads personal invitations, and reissues lost ones. Regulation 2.1 c, 2.3 b. */

export type PersonalInvitationStatus = 'ACTIVE' | 'EXPIRED' | 'NONE' | 'JOINED';

export interface PersonalInvitation {
  userId: string;
  status: PersonalInvitationStatus;
  /** The link; null unless the status is ACTIVE and the school of the actor issued the invitation. */
  link: string | null;
  /** Null if the person has joined or has no open invitation. */
  expiresAt: Date | null;
}

/**
 * Gives a person who cannot sign in yet a new personal invitation. The link of an open invitation stops working, and counts
 * as unknown. Regulation 2.1 c.
 * @throws CONFLICT for a person who can sign in already, and for a person without a role in a school of the administrator.
 *   CONFLICT if the person also has a role in another school, and no school of the administrator issued the open invitation.
 */
export async function reissuePersonalInvitation(ctx: Context, input: { userId: string }): Promise<User> {
  const found = await find(ctx, 'User', input.userId, 'userId');
  const facts = await loadFactsOfUser(ctx.db, found.id);
  authorize(ctx, 'personalInvitation.reissue', facts);
  return mutate(ctx, async (tx) => {
    const user = await lock(tx, 'User', found.id);
    if (user.joinedAt !== null)
      throw conflict(
        [
          'Этот человек уже вступил и входит со своим логином. Если пароль забыт, сбросьте пароль.',
          'This person has joined and signs in with a login of their own. If the password is lost, reset the password.',
        ],
        { path: ['userId'] },
      );
    const grants = await tx.prisma.roleGrant.findMany({ where: { userId: user.id, endedAt: null }, orderBy: { id: 'asc' } });
    const open = await tx.prisma.invitation.findFirst({ where: { userId: user.id, revokedAt: null, useCount: 0 } });
    const reissuable = grants.filter(({ schoolId }) =>
      can(ctx.actor, 'personalInvitation.reissue', { ...facts, places: facts.places.filter((place) => place.schoolId === schoolId) }),
    );
    const grant = reissuable.find(({ schoolId }) => schoolId === open?.schoolId) ?? reissuable[0];
    if (grant === undefined)
      throw conflict(
        [
          'У этого человека сейчас нет роли в школе. Сначала назначьте роль.',
          'This person has no role in the school now. Grant a role first.',
        ],
        { path: ['userId'] },
      );
    if (ctx.actor.kind !== 'operator' && grant.schoolId !== open?.schoolId) refuseOtherSchools(grants, grant.schoolId);
    await replacePersonalInvitation(ctx, tx, { schoolId: grant.schoolId, userId: user.id });
    for (const schoolId of new Set([grant.schoolId, open?.schoolId ?? grant.schoolId]))
      record(tx, 'personalInvitation.reissued', { schoolId, userId: user.id });
    return user;
  });
}

function refuseOtherSchools(grants: readonly Pick<RoleGrant, 'schoolId'>[], schoolId: string): void {
  if (grants.some((grant) => grant.schoolId !== schoolId))
    throw conflict(
      [
        'У человека есть роль и в другой школе, поэтому приглашение заново выдаёт только школа, которая выдала его.',
        'The person has a role in another school too, so only the school that issued the invitation can reissue it.',
      ],
      { path: ['userId'] },
    );
}

type PersonWithLinks = Pick<User, 'id' | 'joinedAt'> & { ownLinks: readonly Invitation[] };

/** The columns that `invitationOf` needs. */
export const withLinks = { id: true, joinedAt: true, ownLinks: { where: { revokedAt: null, useCount: 0 } } } as const;

/**
 * Returns the invitation of a person. Its `link` is null unless `isOfSchool` returns true for the school that issued the
 * invitation, because the link gives access to the account.
 */
export function invitationOf(
  ctx: Context,
  { id: userId, joinedAt, ownLinks: [openLink] }: PersonWithLinks,
  isOfSchool: (schoolId: string) => boolean,
): PersonalInvitation {
  if (joinedAt !== null || openLink === undefined)
    return { userId, status: joinedAt === null ? 'NONE' : 'JOINED', link: null, expiresAt: null };
  const status = statusOf(openLink) === 'ACTIVE' ? 'ACTIVE' : 'EXPIRED';
  return { userId, status, link: isOfSchool(openLink.schoolId) ? linkOf(ctx, openLink) : null, expiresAt: openLink.expiresAt };
}

/** Returns the personal invitation of a person; null if the actor may not see it. Batched. */
export function personalInvitationOf(ctx: Context, { id }: User): Promise<PersonalInvitation | null> {
  return ctx.loaders.of<PersonalInvitation>('User.personalInvitation', id, async (ids) => {
    const people = await ctx.db.prisma.user.findMany({
      relationLoadStrategy: 'join',
      where: { AND: [{ id: { in: [...ids] } }, where(ctx.actor, 'user.readPersonalInvitation')] },
      select: withLinks,
    });
    return new Map(people.map((person) => [person.id, invitationOf(ctx, person, (schoolId) => canReadOf(ctx, person.id, schoolId))]));
  });
}

/** Returns whether the actor may read the invitations of people with a role in this school. */
export const canReadOf = (ctx: Context, userId: string, schoolId: string): boolean =>
  can(ctx.actor, 'user.readPersonalInvitation', { userId, places: [{ schoolId, staff: false, classId: null, current: true }], chats: [] });

export interface PersonalInvitationFilter {
  classId: string;
  joined?: boolean | null;
}

const byName = orderByText('personal invitations', 'student.sortKey');

/**
 * Returns the personal invitations of the present pupils of a class, in alphabetical order of the pupils. Returns null if the
 * actor may not see the class or its invitations. Regulation 2.3 b.
 */
export async function personalInvitationsOf(
  ctx: Context,
  { classId, joined, ...args }: PageArgs & PersonalInvitationFilter,
): Promise<Page<PersonalInvitation> | null> {
  const found = await ctx.loaders.byId('Class', classId);
  if (found === null || !can(ctx.actor, 'personalInvitation.read', { schoolId: found.schoolId, classId })) return null;
  const parent = { model: 'Class', id: classId, relation: 'enrolments' } as const;
  const ofPupils = typeof joined === 'boolean' ? { student: { joinedAt: joined ? { not: null } : null } } : {};
  const page = await paginateChildren<Enrolment>(ctx, parent, args, { order: byName, filter: { AND: [{ endedAt: null }, ofPupils] } });
  const pupils = Array.from(page.edges);
  const people = await ctx.db.prisma.user.findMany({
    relationLoadStrategy: 'join',
    where: { id: { in: pupils.map(({ node }) => node.studentId) } },
    select: withLinks,
  });
  const isOfSchool = (schoolId: string) => schoolId === found.schoolId;
  const byUser = new Map(people.map((person) => [person.id, invitationOf(ctx, person, isOfSchool)]));
  const edges = pupils.map((edge) => new InvitationEdge(edge, byUser.get(edge.node.studentId)!));
  return { edges, pageInfo: page.pageInfo, totalCount: () => page.totalCount() };
}

/**
 * Adapts an edge over Enrolment to an edge over the invitation of the pupil. Computes the cursor only if the operation
 * selects it.
 */
class InvitationEdge {
  readonly node: PersonalInvitation;
  readonly #enrolmentEdge: { readonly cursor: string };

  constructor(enrolmentEdge: { readonly cursor: string }, node: PersonalInvitation) {
    this.node = node;
    this.#enrolmentEdge = enrolmentEdge;
  }

  get cursor(): string {
    return this.#enrolmentEdge.cursor;
  }
}

/** Returns the URL of the printable page of a class; null if the actor may not see its invitations. */
export const invitationsPageOf = (ctx: Context, { id, schoolId }: Class): string | null =>
  can(ctx.actor, 'personalInvitation.read', { schoolId, classId: id }) ? `${ctx.config.publicUrl}/classes/${id}/invitations` : null;
