import type { PlanRow } from '../entities.ts';

/** The fields of a plan’s row, as people see them: names of classes, people and subjects instead of ids. */

export interface PlanField {
  name: string;
  before: string | null;
  after: string | null;
}

/** The fields that are shown: the name in the stored state, and the name in the GraphQL schema. */
const shown: Readonly<Record<string, string>> = {
  grade: 'grade',
  letter: 'letter',
  isArchived: 'isArchived',
  name: 'name',
  surname: 'surname',
  givenName: 'givenName',
  patronymic: 'patronymic',
  birthDate: 'birthDate',
  email: 'email',
  externalId: 'externalId',
  roles: 'roles',
  className: 'class',
  kind: 'kind',
  personName: 'person',
  subjectName: 'subject',
};

type State = Readonly<Record<string, unknown>> | null;

/**
 * Returns the fields whose values before and after the row differ. Returns an empty list for a row in ERROR, and for a row
 * without a proposed change.
 */
export function fieldsOf({
  before,
  after,
  operation,
  proposed,
}: Pick<PlanRow, 'before' | 'after' | 'operation' | 'proposed'>): PlanField[] {
  if (operation === 'ERROR' || (before === null && after === null)) return [];
  if (operation === 'KEEP' && proposed === 'KEEP') return [];
  const [from, to] = [before as State, after as State];
  return Object.entries(shown).flatMap(([field, name]): PlanField[] => {
    const change = { name, before: text(from?.[field]), after: text(to?.[field]) };
    return change.before === change.after ? [] : [change];
  });
}

function text(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.length === 0 ? null : value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
