import { clauseOf, everCan, where } from '../policy/can.ts';
import { forbidden } from '../errors.ts';
import { findFor } from './access.ts';
import { nameOfClass } from './classes.ts';
import type { Context } from './context.ts';
import type { RoleGrant, School } from './entities.ts';
import { canReadOf, invitationOf, withLinks } from './personal-invitations.ts';
import { fullName } from './users.ts';

/** What the printable pages of personal invitations show. Regulation 2.1 d, 2.3 b. */

export interface ClassToInvite {
  id: string;
  name: string;
  schoolName: string;
  /** The number of present pupils who have not joined. */
  notJoined: number;
}

/** Returns the classes with pupils whose invitations the actor may see, by school and then in the order of classes. */
export async function classesToInvite(ctx: Context): Promise<ClassToInvite[]> {
  const rows = await ctx.db.prisma.class.findMany({
    where: { AND: [where(ctx.actor, 'personalInvitation.read'), { archivedAt: null, enrolments: { some: { endedAt: null } } }] },
    select: {
      id: true,
      grade: true,
      letter: true,
      school: { select: { name: true } },
      _count: { select: { enrolments: { where: { endedAt: null, student: { joinedAt: null } } } } },
    },
    orderBy: [{ schoolId: 'asc' }, { sortKey: 'asc' }, { id: 'asc' }],
  });
  return rows.map(({ id, school, _count, ...row }) => ({
    id,
    name: nameOfClass(row),
    schoolName: school.name,
    notJoined: _count.enrolments,
  }));
}

export interface Slip {
  name: string;
  link: string;
  expiresAt: Date;
  /** The roles of an adult; empty for a pupil. */
  roles: readonly RoleGrant['role'][];
}

/** The people of a class, or the adults of a school, who have not joined, in the order of the alphabet. */
export interface InvitationSheet {
  schoolName: string;
  timeZone: string;
  /** Null for a sheet of adults. */
  className: string | null;
  slips: readonly Slip[];
  /** People whose invitation has expired, was never issued, or is of another school. */
  namesWithoutLink: readonly string[];
}

/** The sheets that one web page shows. */
export interface InvitationSheets {
  sheets: readonly InvitationSheet[];
  /** Whether people are missing, because there are more than `maxSlips`. */
  isCut: boolean;
}

/** Maximum number of people on one web page. The page has about 4 KB for each person. */
export const maxSlips = 3000;

const withNames = { ...withLinks, surname: true, givenName: true, patronymic: true } as const;

type Invited = Parameters<typeof invitationOf>[1] & Parameters<typeof fullName>[0];

interface SheetOf {
  school: Pick<School, 'id' | 'name' | 'timeZone'>;
  className: string | null;
  people: readonly { person: Invited; roles: readonly RoleGrant['role'][] }[];
}

function sheetOf(ctx: Context, { school, className, people }: SheetOf): InvitationSheet {
  const invited = people.map(({ person, roles }) => ({
    name: fullName(person),
    roles,
    ...invitationOf(ctx, person, (schoolId) => schoolId === school.id),
  }));
  return {
    schoolName: school.name,
    timeZone: school.timeZone,
    className,
    slips: invited.flatMap(({ name, roles, link, expiresAt }) =>
      link === null || expiresAt === null ? [] : [{ name, roles, link, expiresAt }],
    ),
    namesWithoutLink: invited.flatMap(({ name, link }) => (link === null ? [name] : [])),
  };
}

/** Returns the sheet of a class. Regulation 2.3 b. @throws NOT_FOUND and FORBIDDEN as `findFor`. */
export async function invitationSheetOf(ctx: Context, classId: string): Promise<InvitationSheet> {
  const found = await findFor(ctx, 'Class', classId, 'personalInvitation.read');
  const school = await ctx.db.prisma.school.findUniqueOrThrow({ where: { id: found.schoolId } });
  const pupils = await ctx.db.prisma.user.findMany({
    relationLoadStrategy: 'join',
    where: { joinedAt: null, enrolments: { some: { classId, endedAt: null } } },
    select: withNames,
    orderBy: [{ sortKey: 'asc' }, { id: 'asc' }],
  });
  return sheetOf(ctx, { school, className: nameOfClass(found), people: pupils.map((person) => ({ person, roles: [] })) });
}

/** Returns a sheet for each class with pupils who have not joined and whose invitations the actor may see. Regulation 2.3 b. */
export async function invitationSheetsOfClasses(ctx: Context): Promise<InvitationSheets> {
  const enrolments = await ctx.db.prisma.enrolment.findMany({
    relationLoadStrategy: 'join',
    where: {
      endedAt: null,
      student: { joinedAt: null },
      class: { AND: [where(ctx.actor, 'personalInvitation.read'), { archivedAt: null }] },
    },
    select: {
      classId: true,
      class: { select: { grade: true, letter: true } },
      school: { select: { id: true, name: true, timeZone: true } },
      student: { select: withNames },
    },
    orderBy: [
      { schoolId: 'asc' },
      { class: { sortKey: 'asc' } },
      { classId: 'asc' },
      { student: { sortKey: 'asc' } },
      { studentId: 'asc' },
    ],
    take: maxSlips + 1,
  });
  const groups = groupBy(enrolments.slice(0, maxSlips), ({ classId }) => classId);
  const sheets = groups.map((group) =>
    sheetOf(ctx, {
      school: group[0]!.school,
      className: nameOfClass(group[0]!.class),
      people: group.map(({ student }) => ({ person: student, roles: [] })),
    }),
  );
  return { sheets, isCut: enrolments.length > maxSlips };
}

/** Returns whether the actor may see the invitations of adults. */
export const canInviteStaff = ({ actor }: Context): boolean => everCan(actor, 'user.readPersonalInvitation');

/**
 * Returns a sheet for each school of the actor with the teachers and the administration who have not joined. Regulation
 * 2.1 d. @throws FORBIDDEN for everyone but administrators.
 */
export async function invitationSheetsOfStaff(ctx: Context): Promise<InvitationSheets> {
  if (!canInviteStaff(ctx)) throw forbidden(clauseOf('user.readPersonalInvitation'));
  const grants = await ctx.db.prisma.roleGrant.findMany({
    relationLoadStrategy: 'join',
    where: {
      endedAt: null,
      role: { not: 'STUDENT' },
      user: { AND: [{ joinedAt: null, deactivatedAt: null }, where(ctx.actor, 'user.readPersonalInvitation')] },
      school: where(ctx.actor, 'school.read'),
    },
    select: { role: true, userId: true, school: { select: { id: true, name: true, timeZone: true } }, user: { select: withNames } },
    orderBy: [{ schoolId: 'asc' }, { sortKey: 'asc' }, { userId: 'asc' }, { role: 'asc' }],
    take: maxSlips + 1,
  });
  const readable = grants.slice(0, maxSlips).filter(({ userId, school }) => canReadOf(ctx, userId, school.id));
  const sheets = groupBy(readable, ({ school }) => school.id).map((ofSchool) =>
    sheetOf(ctx, {
      school: ofSchool[0]!.school,
      className: null,
      people: groupBy(ofSchool, ({ userId }) => userId).map((ofPerson) => ({
        person: ofPerson[0]!.user,
        roles: ofPerson.map(({ role }) => role),
      })),
    }),
  );
  return { sheets, isCut: grants.length > maxSlips };
}

/** Groups the items by key. The groups are in the order of their first items. */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
