import type { Database } from '../../src/db/client.ts';

/** A row of any model. */
export type AnyRow = Record<string, any>;

interface Delegate {
  findMany(args?: object): Promise<AnyRow[]>;
  findFirstOrThrow(args?: object): Promise<AnyRow>;
}

/** Returns the Prisma delegate of a model by its name, such as `RoleGrant`. */
export const delegateOf = ({ prisma }: Pick<Database, 'prisma'>, model: string): Delegate =>
  (prisma as unknown as Record<string, Delegate>)[model[0]!.toLowerCase() + model.slice(1)]!;
