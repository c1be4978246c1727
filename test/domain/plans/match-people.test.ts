import { expect, it } from 'vitest';
import { matchPeople, type PersonToMatch } from '../../../src/domain/plans/match-people.ts';
import type { PresentPerson } from '../../../src/domain/plans/present-roster.ts';

/** The time of matching people grows in proportion to the number of rows, not to its square. */

const rows = (count: number, externalId?: (n: number) => string): PersonToMatch[] =>
  Array.from({ length: count }, (_, n) => ({
    person: {
      ...{
        key: `line:${n}`,
        surname: 'Иванов',
        givenName: 'Иван',
        patronymic: 'Ильич',
        roles: ['STUDENT'],
        isActive: true,
        hasError: false,
      },
      ...(externalId && { externalId: externalId(n) }),
      at: { file: 'список.csv', line: n },
    },
    isStudent: true,
    classId: null,
    classKey: `${n}`,
  }));

const present = (count: number): PresentPerson[] =>
  Array.from({ length: count }, (_, n) => ({
    ...{ id: `${n}`, externalId: null, surname: 'Иванов', givenName: 'Иван', patronymic: 'Ильич', birthDate: null, enrolment: null },
    grants: [{ role: 'STUDENT' }],
  })) as unknown as PresentPerson[];

const kindsOf = (wanted: PersonToMatch[], people: PresentPerson[]) => new Set(matchPeople(wanted, people).of.values());

it('takes 20,000 rows of one name without ids as ambiguous, and all namesakes of the school as named', () => {
  expect(kindsOf(rows(20_000), [])).toEqual(new Set(['AMBIGUOUS']));
  const people = present(20_000);
  const { of, named } = matchPeople(rows(20_000), people);
  expect(new Set(of.values())).toEqual(new Set(['AMBIGUOUS']));
  expect(named.size).toBe(people.length);
});

it('takes 20,000 rows of one name with ids of their own as new people', () => {
  expect(
    kindsOf(
      rows(20_000, (n) => `id${n}`),
      [],
    ),
  ).toEqual(new Set(['NEW']));
});

it('compares up to 100 rows of one name', () => {
  expect(kindsOf(rows(100), [])).toEqual(new Set(['NEW']));
  expect(kindsOf(rows(101), [])).toEqual(new Set(['AMBIGUOUS']));
});
