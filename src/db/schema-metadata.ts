import type { PrismaClient } from './generated/client.ts';

/** The tables as Prisma's schema names them: what a filter's words mean in SQL. */

export interface Model {
  table: string;
  /** Columns by the names of their fields, in the schema's order. */
  columns: ReadonlyMap<string, string>;
  relations: ReadonlyMap<string, Relation>;
}

export interface Relation {
  model: string;
  /** `own` of this model's table is `other` of the related one's: both columns. */
  own: string;
  other: string;
  /** A row has many of them; otherwise it belongs to one. */
  many: boolean;
}

interface Field {
  name: string;
  kind: 'scalar' | 'object' | 'enum';
  type: string;
  dbName?: string;
  relationName?: string;
}

export type Models = Readonly<Record<string, Model>>;

const known = new WeakMap<object, Models>();

/** The models of a client, by their names. */
export function modelsOf(prisma: PrismaClient): Models {
  const { models } = (prisma as unknown as { _runtimeDataModel: { models: Record<string, { fields: Field[]; dbName: string | null }> } })._runtimeDataModel;
  let found = known.get(models);
  if (found !== undefined) return found;
  const columnsOf = (name: string) =>
    new Map(models[name]!.fields.flatMap(({ name: field, kind, dbName }) => (kind === 'object' ? [] : [[field, dbName ?? field]])));
  const relationOf = (owner: string, { name, type, relationName }: Field): Relation => {
    const own = foreignKey(columnsOf(owner), name, type);
    if (own !== undefined) return { model: type, own, other: 'id', many: false };
    const back = models[type]!.fields.find((field) => field.relationName === relationName && field.type === owner);
    const other = back && foreignKey(columnsOf(type), back.name, owner);
    if (other === undefined) throw new Error(`no column joins ${owner}.${name}`);
    return { model: type, own: 'id', other, many: true };
  };
  found = Object.fromEntries(
    Object.entries(models).map(([name, { fields, dbName }]) => [
      name,
      {
        table: dbName ?? name,
        columns: columnsOf(name),
        relations: new Map(fields.filter(({ kind }) => kind === 'object').map((field) => [field.name, relationOf(name, field)])),
      },
    ]),
  );
  known.set(models, found);
  return found;
}

/** The column of a relation that a row belongs to: named after the relation, or after the model. Ids are unique, so one column joins. */
const foreignKey = (columns: ReadonlyMap<string, string>, relation: string, model: string): string | undefined =>
  columns.get(`${relation}Id`) ?? columns.get(`${model[0]!.toLowerCase()}${model.slice(1)}Id`);
