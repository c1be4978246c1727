import type { Message } from '../errors.ts';

/**
 * A school's people and classes as a file states them, in any format. This file knows neither the database nor the rules of
 * the school.
 */

export const rosterFormats = ['ONE_ROSTER_1_1', 'ONE_ROSTER_1_2', 'LIST', 'SDS_1', 'SDS_2_1'] as const;

/** LIST is the Russian list: one CSV file with a row for each person. SDS is Microsoft School Data Sync. */
export type RosterFormat = (typeof rosterFormats)[number];

export const rosterRoles = ['STUDENT', 'TEACHER', 'SCHOOL_ADMINISTRATION', 'PLATFORM_ADMINISTRATOR'] as const;

export type RosterRole = (typeof rosterRoles)[number];

/** Where a row stands: the name of the file, and the first physical line of the row, counted from 1. */
export interface RosterPlace {
  readonly file: string;
  readonly line: number;
}

export interface RosterPerson {
  /**
   * Identifies the person in this roster. Equals `keyOfId(externalId)` if the file gives an id, otherwise contains the line.
   */
  readonly key: string;
  readonly externalId?: string;
  readonly surname: string;
  readonly givenName: string;
  /** Null: the file says that the person has no patronymic. Undefined: the file does not say. */
  readonly patronymic?: string | null;
  /** `YYYY-MM-DD`. */
  readonly birthDate?: string;
  readonly email?: string;
  /** Each role once, in the order of `rosterRoles`. Empty: the file does not say. */
  readonly roles: readonly RosterRole[];
  /** False: the file says that the person has left. */
  readonly isActive: boolean;
  /**
   * Whether a row about this person has an error. The data are then incomplete, so nothing about the person should change.
   */
  readonly hasError: boolean;
  readonly at: RosterPlace;
}

export interface RosterClass {
  /**
   * Identifies the class in this roster. Equals `keyOfId(externalId)` if the file gives an id, otherwise contains the name.
   */
  readonly key: string;
  readonly externalId?: string;
  /** 1 to 11. */
  readonly grade: number;
  /** 1 to 15 characters, normalised by `makeClassName`: usually one Cyrillic capital. */
  readonly letter: string;
  /** False: the file says that the class exists no longer. */
  readonly isActive: boolean;
  /** Whether a row about this class has an error. Nothing about the class should then change. */
  readonly hasError: boolean;
  readonly at: RosterPlace;
}

export interface RosterSubject {
  /**
   * Identifies the subject in this roster. Equals `keyOfId(externalId)` if the file gives an id, otherwise contains the name.
   */
  readonly key: string;
  readonly externalId?: string;
  readonly name: string;
  readonly at: RosterPlace;
}

/** A pupil in a class. A person has at most one active enrolment in a roster. */
export interface RosterEnrolment {
  /**
   * The key of a person. In a roster of changes, the person may be missing from `people`; `idOfKey` then gives the external
   * id of the person.
   */
  readonly person: string;
  /** The key of a class. In a roster of changes, the class may be missing from `classes`. */
  readonly class: string;
  /** `YYYY-MM-DD`. */
  readonly startedOn?: string;
  /** The number of the decree of the school's head («приказ») that admitted the pupil. */
  readonly orderNumber?: string;
  /** False: the file says that the enrolment has ended. */
  readonly isActive: boolean;
  readonly at: RosterPlace;
}

export interface RosterAssignment {
  /** The key of a person, as in `RosterEnrolment`. */
  readonly person: string;
  /** The key of a class, as in `RosterEnrolment`. */
  readonly class: string;
  readonly kind: 'CLASS_TEACHER' | 'SUBJECT_TEACHER';
  /** The key of a subject; set for SUBJECT_TEACHER only. */
  readonly subject?: string;
  /** False: the file says that the assignment has ended. */
  readonly isActive: boolean;
  readonly at: RosterPlace;
}

/**
 * Whether the file lists a part of the school completely. An object that is missing from a complete part has ended. All parts
 * are false for a roster of changes and for an unreadable file. A part is also false if a row that may belong to it was left
 * out.
 */
export interface RosterCoverage {
  readonly students: boolean;
  /** People with a role other than STUDENT. */
  readonly staff: boolean;
  readonly classes: boolean;
  readonly enrolments: boolean;
  readonly assignments: boolean;
}

/** A warning or an error. The codes are listed in src/roster/README.md. */
export interface RosterNotice {
  readonly code: string;
  readonly file: string;
  /** The physical line, counted from 1; null if the notice concerns the whole file. */
  readonly line: number | null;
  /** The text. Its only personal data are ids and names of classes, which identify a row. */
  readonly message: Message;
}

/** The first `maxNotices` notices, in the order in which the reader found them, and the number of all notices. */
export interface RosterNotices {
  readonly list: readonly RosterNotice[];
  readonly total: number;
}

export const maxNotices = 1000;

/**
 * What a file states. The reader keeps a row that has an error, with `hasError`, or leaves the row out. A row that is left out
 * must not look like a person or a class that has ended, so `covers` is then false for the parts to which the row may belong.
 * If the whole file could not be read, all lists except `warnings` and `errors` are empty.
 */
export interface Roster {
  /** Null if the format was not recognised. */
  readonly format: RosterFormat | null;
  readonly covers: RosterCoverage;
  readonly people: readonly RosterPerson[];
  readonly classes: readonly RosterClass[];
  readonly subjects: readonly RosterSubject[];
  readonly enrolments: readonly RosterEnrolment[];
  readonly assignments: readonly RosterAssignment[];
  readonly warnings: RosterNotices;
  readonly errors: RosterNotices;
}

const idPrefix = 'id:';

/** Returns the key of the person, class or subject with this external id. */
export const keyOfId = (externalId: string): string => `${idPrefix}${externalId}`;

/** Returns the external id that a key holds, or undefined for a key that holds a line or a name. */
export const idOfKey = (key: string): string | undefined => (key.startsWith(idPrefix) ? key.slice(idPrefix.length) : undefined);
