import type { RosterFormat } from './roster.ts';

export interface ReadRosterOptions {
  /** The format that the file must have. Undefined: any, recognised by names of files and columns. */
  readonly format?: RosterFormat;
  /** The external ids of the school, of which one chooses the school in a file with several. */
  readonly schoolIds?: readonly string[];
  /** Whether the file states only a part of the school, such as one class, so that nothing may be taken as ended. */
  readonly isPartial?: boolean;
  /** The day by which ended rows are recognised, as `YYYY-MM-DD`; today in UTC if undefined. */
  readonly today?: string;
}

export const todayOf = ({ today }: ReadRosterOptions): string => today ?? new Date().toISOString().slice(0, 10);
