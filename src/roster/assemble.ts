import { MembershipAssembler } from './memberships.ts';
import { chooseSchool } from './orgs.ts';
import { assemblePeople } from './people.ts';
import type { ReadRosterOptions } from './read-options.ts';
import type { RecordCoverage, Records } from './records.ts';
import type { Roster, RosterFormat } from './roster.ts';
import { SectionInterpreter } from './sections.ts';

export interface AssembleOptions {
  readonly format: RosterFormat;
  readonly options: ReadRosterOptions;
  /** The name of the file that lists the organisations. Errors about organisations name this file. */
  readonly orgFile: string;
  readonly nameColumns: { readonly surname: string; readonly givenName: string };
  readonly complete: RecordCoverage;
}

/** Turns the records of OneRoster or School Data Sync into a roster. */
export function assembleRoster(records: Records, { format, options, orgFile, nameColumns, complete }: AssembleOptions): Roster {
  chooseSchool(records, options.schoolIds ?? [], orgFile);
  const { leftOut } = assemblePeople(records, nameColumns);
  const sections = new SectionInterpreter(records);
  sections.interpret();
  new MembershipAssembler(records, sections, leftOut, complete).assemble();
  const isComplete = options.isPartial !== true;
  const hasClasses = isComplete && complete.sections && records.builder.classes.size > 0;
  const people = isComplete && complete.users;
  return records.builder.build(format, {
    students: people,
    staff: people,
    classes: hasClasses,
    enrolments: hasClasses && complete.memberships,
    assignments: hasClasses && complete.memberships,
  });
}
