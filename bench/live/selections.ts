/** The selections of the subscriptions. Our server and the programs of bench/peers get the same selections. */

/** The dashboard of an administrator: who was enrolled, and in which class. */
const dashboard = 'cursor kind student { surname givenName } class { name }';

/** Eight selections as different frontends would send them. The last two are used with a `classId`. */
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

/** Index of the first selection that is used with a `classId`. */
export const firstClassSelection = 6;

const head = 'subscription Enrolments($schoolId: ID!, $classId: ID';

/**
 * Returns the subscription that our own server gets. Its items are of three types: changes, checkpoints (cursors to
 * resume from) and the end of the stream.
 */
export const ours = (selection: string): string =>
  `${head}, $after: String) { enrolments(schoolId: $schoolId, classId: $classId, after: $after) {` +
  ` ... on EnrolmentChange { ${selection} } ... on Checkpoint { checkpoint: cursor } ... on Ended { ended: reason } } }`;

export const peers = (selection: string): string => `${head}) { enrolments(schoolId: $schoolId, classId: $classId) { ${selection} } }`;
