import { can, where } from '../policy/can.ts';
import type { Filter } from '../policy/scopes.ts';
import { paginate } from './connection.ts';
import { invalid } from '../errors.ts';
import { findByParents } from '../reader/select.ts';
import type { Context } from './context.ts';
import type { Page, PageArgs, RoleGrant, School, User } from './entities.ts';
import { directionOf, orderBy, type OrderBy } from './list-order.ts';
import { readable } from './resources.ts';
import { normalizeLine, searchable } from './text.ts';
import { ListPage } from './list-page.ts';

/** Lists the people of a school. */

export interface PeopleFilter {
  role?: RoleGrant['role'] | null;
  classId?: string | null;
  /** Only pupils who are in no class. */
  withoutClass?: boolean | null;
  /**
   * True: only people who can sign in. False: only people who cannot sign in yet. True and false both leave out people whose
   * contact details the actor may not read.
   */
  hasLogin?: boolean | null;
  /**
   * Undefined or true: people with a current role. False: people without a current role, who had a role that the actor may
   * read. Null: both.
   */
  active?: boolean | null;
  search?: string | null;
  updatedSince?: Date | null;
  orderBy?: OrderBy<'NAME' | 'UPDATED_AT'> | null;
}

/** Columns of RoleGrant. They copy columns of User, so that an index of the roles of a school can have this order. */
const orderColumns = { NAME: { field: 'sortKey', type: 'string' }, UPDATED_AT: { field: 'userUpdatedAt', type: 'date' } } as const;

type PersonRow = RoleGrant & { joined: User };

/**
 * Returns the people with a role in the school whom the actor may read, by default in Russian alphabetical order. Reads the
 * roles of the school, which have an index for each order: the cost of a page does not depend on the people of other schools.
 * @throws INVALID for `classId` together with `withoutClass`.
 */
export async function peopleOf(ctx: Context, school: School, args: PageArgs & PeopleFilter): Promise<Page<User>> {
  const column = orderColumns[args.orderBy?.field ?? 'NAME'];
  const order = orderBy('person', column, directionOf(args.orderBy?.direction), 'userId');
  const page = paginate<PersonRow>(args, order);
  const filter = filterOf(ctx, school, args);
  const list = { model: 'School', relation: 'grants' } as const;
  const selection = {
    where: { AND: [filter, page.where] },
    orderBy: page.orderBy,
    // Lists a person with two roles once: both roles have the same copies of the columns of the person.
    distinct: [column.field, 'userId'],
    limit: page.limit,
    columns: new Set([column.field, 'userId']),
    joined: { relation: 'user', where: {}, columns: ctx.loaders.selection?.columnsOf('User') },
  };
  const key = JSON.stringify(['School.people', selection.where, page.orderBy, page.limit]);
  const rows = await ctx.loaders.of(key, school.id, (parentIds) => findByParents<PersonRow>(ctx.db, { ...list, parentIds }, selection));
  const { edges, pageInfo } = page.toConnection(rows ?? []);
  const people = { edges: Array.from(edges, (edge) => new PersonEdge(edge)), pageInfo };
  return new ListPage<User>(people, ctx, { ...list, id: school.id }, { filter, distinct: 'userId' });
}

/**
 * Returns the filter of the roles. Only the filter for `active: false` contains the id of the school. A filter without the id
 * is equal for all schools, so that one SQL statement can read the lists of several schools.
 */
function filterOf(ctx: Context, { id: schoolId }: School, args: PeopleFilter): Filter {
  if (args.classId && args.withoutClass)
    throw invalid('withoutClass', ['Укажите classId или withoutClass, но не оба.', 'Give classId or withoutClass, not both.']);
  const inClass = { classId: args.classId ?? '', endedAt: null };
  const ofUser: Filter[] = [
    args.classId
      ? {
          OR: [
            { enrolments: { some: { AND: [inClass, readable(ctx.actor, 'Enrolment')] } } },
            { assignments: { some: { AND: [inClass, readable(ctx.actor, 'Assignment')] } } },
          ],
        }
      : {},
    ...(args.withoutClass ? [{ NOT: { enrolments: { some: { endedAt: null } } } }, withReadableEnrolments(ctx, schoolId)] : []),
    args.active === false ? { NOT: { grants: { some: { schoolId, endedAt: null } } } } : {},
    ...loginFilters(ctx, args.hasLogin),
    readable(ctx.actor, 'User'),
  ];
  const ended = { AND: [{ endedAt: { not: null } }, readable(ctx.actor, 'RoleGrant')] };
  const { active = true } = args;
  return {
    AND: [
      active === null ? { OR: [{ endedAt: null }, ended] } : active ? { endedAt: null } : ended,
      args.role ? { AND: [{ role: args.role }, readable(ctx.actor, 'RoleGrant')] } : {},
      args.withoutClass ? { role: 'STUDENT' } : {},
      args.updatedSince ? { userUpdatedAt: { gte: args.updatedSince } } : {},
      // This `searchText` is a column of RoleGrant, a copy of the column of User. So PostgreSQL reads the roles of this school
      // alone, and then only the people whose names match.
      ...searchWords(args.search ?? '').map((word) => ({ searchText: { contains: word } })),
      { user: { AND: ofUser } },
    ],
  };
}

/**
 * Returns the filter of the people whose enrolments the actor may all read: every person if the actor may read the enrolments
 * of the school, otherwise only the actor.
 */
function withReadableEnrolments({ actor }: Context, schoolId: string): Filter {
  if (can(actor, 'enrolment.read', { schoolId, classId: '', userId: '', current: true })) return {};
  return { id: { in: actor.kind === 'user' ? [actor.userId] : [] } };
}

/**
 * Returns the filters for `hasLogin`. Having a login is a contact detail, so the filters match only people whose
 * contact details the actor may read.
 */
function loginFilters(ctx: Context, hasLogin: boolean | null | undefined): Filter[] {
  if (typeof hasLogin !== 'boolean') return [];
  const canSignIn = { OR: [{ signInName: { not: null } }, { identities: { some: {} } }] };
  return [hasLogin ? canSignIn : { NOT: canSignIn }, where(ctx.actor, 'user.readContact')];
}

/** Adapts an edge over RoleGrant to an edge over its User. */
class PersonEdge {
  readonly #grantEdge: { node: { joined: User }; cursor: string };

  constructor(grantEdge: { node: { joined: User }; cursor: string }) {
    this.#grantEdge = grantEdge;
  }

  get node(): User {
    return this.#grantEdge.node.joined;
  }

  get cursor(): string {
    return this.#grantEdge.cursor;
  }
}

/** Returns the words of a search, each of which must occur in a name. */
function searchWords(search: string): string[] {
  if (search.trim() === '') return [];
  return searchable(normalizeLine('search', search, 100)).split(' ');
}
