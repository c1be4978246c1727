import { describe, expect, it } from 'vitest';
import type { PersonState, PlannedRow } from '../../../src/domain/plans/plan-rows.ts';
import { changeRow, endRow, protectedRow } from '../../../src/domain/plans/plan-rows.ts';
import { withRenameNotes } from '../../../src/domain/plans/renamed-people.ts';
import { note } from '../../../src/domain/plans/notes.ts';

const pupil = (names: string, more: Partial<PersonState> = {}): PersonState => {
  const [surname = '', givenName = '', patronymic = null] = names.split(' ');
  const none = { birthDate: null, email: null, externalId: null };
  return { surname, givenName, patronymic, ...none, roles: ['STUDENT'], classId: 'a', className: '5А', ...more };
};

const thing = { noun: 'PERSON', thingId: 'id', at: null } as const;
const added = (state: PersonState): PlannedRow => changeRow({ ...thing, before: null }, state);
const left = (state: PersonState): PlannedRow => endRow({ ...thing, before: state }, null);

const codesOf = (...rows: PlannedRow[]) => withRenameNotes(rows).map((row) => row.note?.code ?? null);

const day = (birthDate: string, more: Partial<PersonState> = {}) => ({ birthDate, ...more });

describe('a new person and one who leaves', () => {
  it.each<[fault: string, before: PersonState, after: PersonState]>([
    ['a letter of the surname', pupil('Иваноф Иван'), pupil('Иванов Иван')],
    ['swapped letters', pupil('Смирнвоа Анна'), pupil('Смирнова Анна')],
    ['two letters of a long surname', pupil('Преображнская Анна'), pupil('Преображенскоя Анна')],
    ['a letter of the given name', pupil('Иванова Наталья'), pupil('Иванова Наталия')],
    ['ё and another letter', pupil('Семенов Лев'), pupil('Семёнав Лев')],
    ['both names by a letter', pupil('Иваноф Алексей'), pupil('Иванов Алексий')],
    ['the patronymic', pupil('Иванов Иван Петрвич'), pupil('Иванова Иван Петрович')],
    ['another surname of the same person', pupil('Петрова Анна Ильинична'), pupil('Кузнецова Анна Ильинична')],
    [
      'the class with the same birth date',
      pupil('Иваноф Иван', day('2015-02-01')),
      pupil('Иванов Иван', day('2015-02-01', { classId: 'b' })),
    ],
    ['the birth date alone', pupil('Иванов Иван', day('2015-02-01')), pupil('Иванов Иван', day('2015-01-02'))],
    [
      'a teacher without a class',
      pupil('Иваноф Иван', day('1980-02-01', { roles: ['TEACHER'], classId: null })),
      pupil('Иванов Иван', day('1980-02-01', { roles: ['TEACHER'], classId: null })),
    ],
  ])('are one person by a fault in %s', (_fault, before, after) => {
    expect(codesOf(added(after), left(before))).toEqual(['PERSON_RENAMED', null]);
  });

  it.each<[reason: string, before: PersonState, after: PersonState]>([
    ['another class and no birth date', pupil('Иваноф Иван'), pupil('Иванов Иван', { classId: 'b' })],
    ['another short surname', pupil('Ким Анна'), pupil('Цой Анна')],
    ['another surname without patronymics', pupil('Петрова Анна'), pupil('Кузнецова Анна')],
    [
      'another surname and another birth date',
      pupil('Петрова Анна Ильинична', day('2015-02-01')),
      pupil('Кузнецова Анна Ильинична', day('2015-03-01')),
    ],
    ['another patronymic', pupil('Иванов Иван Петрович'), pupil('Иваноф Иван Сергеевич')],
    ['another given name', pupil('Иванова Анна'), pupil('Иванова Яна')],
    ['another id', pupil('Иваноф Иван', { externalId: '1' }), pupil('Иванов Иван', { externalId: '2' })],
    [
      'another kind of role',
      pupil('Иваноф Иван', day('2015-02-01')),
      pupil('Иванов Иван', day('2015-02-01', { roles: ['TEACHER'], classId: null })),
    ],
  ])('are two by %s', (_reason, before, after) => {
    expect(codesOf(added(after), left(before))).toEqual([null, null]);
  });

  it('are one too if the end is withheld; and the note names the person who leaves, in both languages', () => {
    const [row] = withRenameNotes([added(pupil('Иванов Иван')), protectedRow(left(pupil('Иваноф Иван')), note('SET_BY_HAND'))]);
    expect(row!.note!.message).toEqual([expect.stringContaining('«Иваноф Иван, 5А»'), expect.stringContaining('“Иваноф Иван, 5А”')]);
  });

  it('leave other notes and other rows as they are', () => {
    const noted = { ...added(pupil('Иванов Иван')), note: note('ADMINISTRATOR_BY_HAND') };
    expect(codesOf(noted, left(pupil('Иваноф Иван')))).toEqual(['ADMINISTRATOR_BY_HAND', null]);
    const rows = [added(pupil('Иванов Иван'))];
    expect(withRenameNotes(rows)).toEqual(rows);
  });
});

it('compares 20,000 rows of one class and one name with as many in seconds', () => {
  const letters = (n: number) => [...String(n)].map((digit) => 'абвгдежзик'[Number(digit)]).join('');
  const numbers = Array.from({ length: 20_000 }, (_, n) => n);
  const rows = numbers.flatMap((n) => [added(pupil(`Ученик${letters(n)} Иван`)), left(pupil(`Ушедший${letters(n)} Иван`))]);
  const start = performance.now();
  withRenameNotes(rows);
  expect(performance.now() - start).toBeLessThan(10_000);
});
