import type { RosterFormat } from './roster.ts';

export interface ReadRosterOptions {
  /** The format that the file must have. Undefined: any, recognised by names of files and columns. */
  readonly format?: RosterFormat;
  /** External ids of the school. If a file has several schools, the school with one of these ids is read. */
  readonly schoolIds?: readonly string[];
  /** Whether the file states only a part of the school, such as one class, so that nothing may be taken as ended. */
  readonly isPartial?: boolean;
  /** Rows with an end date on or before this day count as ended. `YYYY-MM-DD`; by default today in UTC. */
  readonly today?: string;
}

export const todayOf = ({ today }: ReadRosterOptions): string => today ?? new Date().toISOString().slice(0, 10);
