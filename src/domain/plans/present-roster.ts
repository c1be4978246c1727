import type { Tx } from '../../db/transaction.ts';
import type { Plan, RoleGrant, School } from '../entities.ts';
import { dayIn, previousYearOf } from '../school-years.ts';

/** The present people, classes and assignments of a school. The comparison of a roster reads them. */

export interface PresentGrant {
  id: string;
  role: RoleGrant['role'];
  /** Null for a role that a person granted. */
  planId: string | null;
}

export interface PresentEnrolment {
  id: string;
  schoolId: string;
  classId: string;
  planId: string | null;
  /** `YYYY-MM-DD`, in the zone of the school. */
  startedOn: string;
  orderNumber: string | null;
  /** `YYYY-MM-DD`. */
  admittedOn: string | null;
}

export interface PresentPerson {
  id: string;
  surname: string;
  givenName: string;
  patronymic: string | null;
  /** `YYYY-MM-DD`. */
  birthDate: string | null;
  email: string | null;
  /** The columns that a person corrected by hand. */
  handSet: readonly string[];
  hasJoined: boolean;
  isDeactivated: boolean;
  externalId: string | null;
  /**
   * The current roles in the school. Empty for a person who has left the school, and was loaded by an external id or by
   * `userIds`.
   */
  grants: readonly PresentGrant[];
  /** Whether the person also has a role in another school. */
  isElsewhere: boolean;
  /** The current enrolment, in this school or another. */
  enrolment: PresentEnrolment | null;
}

export interface PresentClass {
  id: string;
  schoolYearId: string;
  grade: number;
  letter: string;
  isArchived: boolean;
  externalId: string | null;
}

export interface PresentSubject {
  id: string;
  name: string;
  sortKey: string;
  externalId: string | null;
}

export interface PresentAssignment {
  id: string;
  classId: string;
  userId: string;
  kind: 'CLASS_TEACHER' | 'SUBJECT_TEACHER';
  subjectId: string | null;
  planId: string | null;
}

export interface PresentRoster {
  school: School;
  schoolYearId: string;
  /** The first day of the year, as `YYYY-MM-DD`. */
  yearStartsOn: string;
  /** The classes of the year, including archived classes. For the turn of a year, also the classes of the year before. */
  classes: readonly PresentClass[];
  /** The external ids of the classes of other years. */
  otherClassIds: ReadonlySet<string>;
  subjects: readonly PresentSubject[];
  people: readonly PresentPerson[];
  /** The current assignments in `classes`. */
  assignments: readonly PresentAssignment[];
}

export interface RosterScope {
  schoolId: string;
  schoolYearId: string;
  /** The system whose external ids are loaded. */
  system: string;
  /** For YEAR, the classes of the year before are loaded too. */
  source?: Plan['source'];
  /** People to load even if they have neither a role nor an external id any more. */
  userIds?: readonly string[];
}

const selectPeople = `
  select u.id, u.surname, u.given_name as "givenName", u.patronymic, u.birth_date::text as "birthDate", u.email, u.hand_set as "handSet",
         u.joined_at is not null as "hasJoined", u.deactivated_at is not null as "isDeactivated", x.value as "externalId",
         (select coalesce(json_agg(json_build_object('id', g.id, 'role', g.role, 'planId', g.plan_id) order by g.role), '[]')
          from role_grant g where g.user_id = u.id and g.school_id = $1 and g.ended_at is null) as grants,
         exists (select from role_grant g where g.user_id = u.id and g.school_id <> $1 and g.ended_at is null) as "isElsewhere",
         e.id as "enrolmentId", e.school_id as "enrolmentSchoolId", e.class_id as "classId", e.plan_id as "enrolmentPlanId",
         e.started_at as "startedAt", e.order_number as "orderNumber", e.admitted_on::text as "admittedOn"
  from app_user u
  left join user_external_id x on x.user_id = u.id and x.school_id = $1 and x.system = $2
  left join enrolment e on e.student_id = u.id and e.ended_at is null
  where u.id in (select user_id from role_grant where school_id = $1 and ended_at is null
                 union select user_id from user_external_id where school_id = $1 and system = $2
                 union select unnest($3::uuid[]))
  order by u.sort_key, u.id`;

const selectClasses = `
  select c.id, c.school_year_id as "schoolYearId", c.grade, c.letter, c.archived_at is not null as "isArchived", x.value as "externalId"
  from class c left join class_external_id x on x.class_id = c.id and x.system = $2
  where c.school_year_id = any($1::uuid[]) order by c.sort_key, c.id`;

const selectOtherClassIds = `
  select x.value from class_external_id x join class c on c.id = x.class_id
  where x.school_id = $1 and x.system = $3 and c.school_year_id <> all($2::uuid[])`;

const selectSubjects = `
  select s.id, s.name, s.sort_key as "sortKey", x.value as "externalId"
  from subject s left join subject_external_id x on x.subject_id = s.id and x.system = $2
  where s.school_id = $1 order by s.sort_key, s.id`;

const selectAssignments = `
  select a.id, a.class_id as "classId", a.user_id as "userId", a.kind, a.subject_id as "subjectId", a.plan_id as "planId"
  from assignment a join class c on c.id = a.class_id
  where c.school_year_id = any($1::uuid[]) and a.ended_at is null order by a.class_id, a.kind, a.id`;

type PersonRow = Omit<PresentPerson, 'enrolment'> & {
  enrolmentId: string | null;
  enrolmentSchoolId: string;
  classId: string;
  enrolmentPlanId: string | null;
  startedAt: Date;
  orderNumber: string | null;
  admittedOn: string | null;
};

/**
 * Loads the people, classes and assignments of a school in one school year. For a plan of the source YEAR, also loads the
 * classes and assignments of the year before.
 */
export async function loadPresentRoster(tx: Tx, scope: RosterScope): Promise<PresentRoster> {
  const { schoolId, schoolYearId, system, source, userIds = [] } = scope;
  const school = await tx.prisma.school.findUniqueOrThrow({ where: { id: schoolId } });
  const people = await tx.query<PersonRow>(selectPeople, [schoolId, system, userIds]);
  const year = await tx.prisma.schoolYear.findUniqueOrThrow({ where: { id: schoolYearId } });
  const previous = source === 'YEAR' ? await previousYearOf(tx, year) : null;
  const yearIds = [schoolYearId, ...(previous === null ? [] : [previous.id])];
  const otherClassIds = await tx.query<{ value: string }>(selectOtherClassIds, [schoolId, yearIds, system]);
  return {
    school,
    schoolYearId,
    yearStartsOn: year.startsOn.toISOString().slice(0, 10),
    classes: await tx.query<PresentClass>(selectClasses, [yearIds, system]),
    otherClassIds: new Set(otherClassIds.map(({ value }) => value)),
    subjects: await tx.query<PresentSubject>(selectSubjects, [schoolId, system]),
    people: people.map((row) => personOf(row, school.timeZone)),
    assignments: await tx.query<PresentAssignment>(selectAssignments, [yearIds]),
  };
}

function personOf(row: PersonRow, timeZone: string): PresentPerson {
  const { enrolmentId, enrolmentSchoolId, classId, enrolmentPlanId, startedAt, orderNumber, admittedOn, ...person } = row;
  const enrolment: PresentEnrolment | null =
    enrolmentId === null
      ? null
      : {
          id: enrolmentId,
          schoolId: enrolmentSchoolId,
          classId,
          planId: enrolmentPlanId,
          startedOn: dayIn(timeZone, startedAt),
          orderNumber,
          admittedOn,
        };
  return { ...person, enrolment };
}
