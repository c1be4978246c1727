/** What listeners ask of a change: the same words for the product and its peers. */

/** A dashboard of the administration: who, and in which class. */
export const dashboard = 'cursor kind student { surname givenName } class { name }';

/** Eight frontends' own; the last two follow one class by its id. */
export const selections = [
  dashboard,
  'cursor at kind studentId',
  'cursor kind student { fullName }',
  'cursor kind class { grade letter }',
  'cursor at kind student { surname givenName } class { grade letter }',
  'cursor kind at studentId student { surname givenName fullName } class { name grade letter }',
  'cursor kind student { fullName } class { name }',
  'cursor at student { surname givenName }',
] as const;

/** From this selection on, one class is followed. */
export const ofOneClass = 6;

const head = 'subscription Enrolments($schoolId: ID!, $classId: ID';

/** The product's stream is a union with checkpoints, which name the place to come back to. */
export const ours = (selection: string): string =>
  `${head}, $after: String) { enrolments(schoolId: $schoolId, classId: $classId, after: $after) {` +
  ` ... on EnrolmentChange { ${selection} } ... on Checkpoint { checkpoint: cursor } ... on Ended { ended: reason } } }`;

export const peers = (selection: string): string => `${head}) { enrolments(schoolId: $schoolId, classId: $classId) { ${selection} } }`;
