import type { RosterFormat } from './roster.ts';

export interface ReadRosterOptions {
  /** The format that the file must have. Undefined: any format, recognised by the names of files and columns. */
  readonly format?: RosterFormat;
  /** External ids of the school. If a file has several schools, the school with one of these ids is read. */
  readonly schoolIds?: readonly string[];
  /** Whether the file lists only a part of the school, such as one class. What is missing from it then stays as it is. */
  readonly isPartial?: boolean;
  /** Rows with an end date on or before this day count as ended. `YYYY-MM-DD`. Default: today in UTC. */
  readonly today?: string;
}

export const todayOf = ({ today }: ReadRosterOptions): string => today ?? new Date().toISOString().slice(0, 10);
