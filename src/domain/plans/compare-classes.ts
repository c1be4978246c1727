import { Refusal } from '../../errors.ts';
import { newId } from '../../db/ids.ts';
import { idOfKey, type Roster, type RosterClass, type RosterSubject } from '../../roster/roster.ts';
import { nameFields, letterOf, nameOfClass } from '../classes.ts';
import { confusableKey } from '../confusables.ts';
import { subjectFields } from '../subjects.ts';
import { note } from './notes.ts';
import { changeRow, errorRow, protectedRow, type ClassState, type PlannedRow, type SubjectState } from './plan-rows.ts';
import type { PresentClass, PresentRoster, PresentSubject } from './present-roster.ts';

/** Compares the classes and subjects of a roster with those of the school. */

/** A class or a subject of the school, or one that the plan creates. */
export interface Named {
  id: string;
  name: string;
  isNew: boolean;
}

export interface Compared {
  rows: PlannedRow[];
  /** Each class or subject, by its key in the roster. Null for one that assignments and enrolments cannot use. */
  of: Map<string, Named | null>;
}

export function compareClasses({ classes }: Roster, present: PresentRoster): Compared {
  const compared: Compared = { rows: [], of: new Map() };
  const names = new Map(present.classes.map((one) => [classKey(one), one.id]));
  const find = finderOf(present.classes, classKey);
  for (const wanted of classes) {
    const found = find(wanted, fieldsOf(wanted));
    const row = classRow(wanted, found, { names, otherIds: present.otherClassIds });
    if (row !== null) compared.rows.push(row);
    const id = row?.thingId ?? found?.id;
    const isUsable = id !== undefined && row?.operation !== 'ERROR';
    compared.of.set(wanted.key, isUsable ? { id, name: nameOfClass(wanted), isNew: found === undefined } : null);
  }
  addPresent(compared, present.classes, nameOfClass);
  return compared;
}

/** Returns the same key for classes whose names look the same (`confusableKey`). */
export const classKey = ({ grade, letter }: { grade: number; letter: string }): string => `${grade} ${confusableKey(letter)}`;

function fieldsOf({ grade, letter }: RosterClass): { grade: number; letter: string } | null {
  try {
    return nameFields(grade, letterOf(letter));
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

interface TakenNames {
  names: Map<string, string>;
  otherIds: ReadonlySet<string>;
}

function classRow(wanted: RosterClass, found: PresentClass | undefined, { names, otherIds }: TakenNames): PlannedRow | null {
  const before: ClassState | null = found === undefined ? null : stateOfClass(found);
  const thing = { noun: 'CLASS', thingId: found?.id ?? newId(), at: wanted.at, before } as const;
  const fields = fieldsOf(wanted);
  if (wanted.hasError || (fields === null && found !== undefined)) return null;
  if (fields === null) return errorRow(thing, note('CLASS_UNKNOWN'));
  if (!wanted.isActive) {
    if (before === null || before.isArchived) return null;
    return protectedRow({ ...changeRow(thing, before), proposed: 'KEEP' }, note('CLASS_MUST_BE_ARCHIVED'));
  }
  const externalId = externalIdOf(wanted, found);
  if (externalId !== null && otherIds.has(externalId)) return errorRow(thing, note('CLASS_OF_ANOTHER_YEAR'));
  const looksTheSame = before !== null && classKey(before) === classKey(fields);
  const { grade, letter } = looksTheSame ? before : fields;
  const owner = names.get(classKey(fields));
  if (owner !== undefined && owner !== found?.id) return errorRow(thing, note('CLASS_NAME_TAKEN'));
  names.set(classKey(fields), thing.thingId);
  return changeRow(thing, { grade, letter, isArchived: false, externalId });
}

export const stateOfClass = ({ grade, letter, isArchived, externalId }: PresentClass): ClassState => ({
  grade,
  letter,
  isArchived,
  externalId,
});

export function compareSubjects({ subjects }: Roster, present: PresentRoster): Compared {
  const compared: Compared = { rows: [], of: new Map() };
  const find = finderOf(present.subjects, ({ name }: { name: string }) => confusableKey(name));
  const added = new Map<string, Named>();
  for (const wanted of subjects) {
    const known = find(wanted, wanted) ?? bySortKey(present.subjects, wanted);
    const twin = added.get(confusableKey(wanted.name));
    if (known === undefined && twin !== undefined) compared.of.set(wanted.key, twin);
    else {
      const row = subjectRow(wanted, known);
      compared.rows.push(row);
      const named = { id: row.thingId!, name: known?.name ?? wanted.name, isNew: known === undefined };
      compared.of.set(wanted.key, row.operation === 'ERROR' ? null : named);
      if (known === undefined) added.set(confusableKey(wanted.name), named);
    }
  }
  addPresent(compared, present.subjects, ({ name }) => name);
  return compared;
}

function subjectRow(wanted: RosterSubject, found: PresentSubject | undefined): PlannedRow {
  const before: SubjectState | null = found === undefined ? null : stateOfSubject(found);
  const thing = { noun: 'SUBJECT', thingId: found?.id ?? newId(), at: wanted.at, before } as const;
  const fields = subjectFieldsOf(wanted);
  if (fields === null) return errorRow(thing, note('SUBJECT_NAME_UNUSABLE'));
  return changeRow(thing, { name: before?.name ?? fields.name, externalId: externalIdOf(wanted, found) });
}

export const stateOfSubject = ({ name, externalId }: PresentSubject): SubjectState => ({ name, externalId });

function subjectFieldsOf({ name }: RosterSubject): { name: string; sortKey: string } | null {
  try {
    return subjectFields(name);
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

/** Finds the subject with the same sort key. The database keeps sort keys unique. */
function bySortKey(present: readonly PresentSubject[], wanted: RosterSubject): PresentSubject | undefined {
  const sortKey = subjectFieldsOf(wanted)?.sortKey;
  return present.find((subject) => subject.sortKey === sortKey);
}

type Identified = { id: string; externalId: string | null };

/**
 * Returns a function that finds a class or a subject by external id, by Sfera’s own id (which `exportRoster` writes where
 * there is no external id), or by name.
 */
function finderOf<T extends Identified, Name>(present: readonly T[], keyOf: (named: T | Name) => string) {
  const byExternalId = new Map(present.flatMap((one) => (one.externalId === null ? [] : [[one.externalId, one] as const])));
  const byId = new Map(present.map((one) => [one.id, one]));
  const byName = new Map(present.map((one) => [keyOf(one), one]));
  return ({ key, externalId = idOfKey(key) }: { key: string; externalId?: string }, named: Name | null): T | undefined => {
    const identified = externalId === undefined ? undefined : (byExternalId.get(externalId) ?? byId.get(externalId));
    if (identified !== undefined || named === null) return identified;
    const found = byName.get(keyOf(named));
    const isAnother = externalId !== undefined && found !== undefined && found.externalId !== null;
    return isAnother ? undefined : found;
  };
}

/** Returns the external id after the import. Sfera’s own id in the file does not become an external id. */
export const externalIdOf = (wanted: { externalId?: string }, found: Identified | undefined): string | null =>
  wanted.externalId === undefined || wanted.externalId === found?.id ? (found?.externalId ?? null) : wanted.externalId;

/**
 * Adds the present classes or subjects of the school by their ids. A file that lists only changes may refer to a class or
 * subject that it does not list.
 */
function addPresent<T extends Identified>({ of }: Compared, present: readonly T[], nameOf: (one: T) => string): void {
  for (const one of present)
    for (const id of [one.externalId, one.id])
      if (id !== null && !of.has(`id:${id}`)) of.set(`id:${id}`, { id: one.id, name: nameOf(one), isNew: false });
}
