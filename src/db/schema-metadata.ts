import type { Models, Relation } from '../reader/models.ts';
import type { PrismaClient } from './generated/client.ts';

/** Maps the models, fields and relations of Prisma's schema to tables and columns. */

interface Field {
  name: string;
  kind: 'scalar' | 'object' | 'enum';
  type: string;
  dbName?: string;
  relationName?: string;
}

const modelsCache = new WeakMap<object, Models>();

/** Returns the models of a client by name. Reads the private `_runtimeDataModel` of Prisma's client. */
export function modelsOf(prisma: PrismaClient): Models {
  const { models } = (prisma as unknown as { _runtimeDataModel: { models: Record<string, { fields: Field[]; dbName: string | null }> } })
    ._runtimeDataModel;
  const cached = modelsCache.get(models);
  if (cached !== undefined) return cached;
  const columnsOf = (name: string) =>
    new Map(models[name]!.fields.flatMap(({ name: field, kind, dbName }) => (kind === 'object' ? [] : [[field, dbName ?? field]])));
  const relationOf = (owner: string, { name, type, relationName }: Field): Relation => {
    const own = foreignKey(columnsOf(owner), name, type);
    if (own !== undefined) return { model: type, own, other: 'id', many: false };
    const inverse = models[type]!.fields.find((field) => field.relationName === relationName && field.type === owner);
    const other = inverse && foreignKey(columnsOf(type), inverse.name, owner);
    if (other === undefined) throw new Error(`no column joins ${owner}.${name}`);
    return { model: type, own: 'id', other, many: true };
  };
  const result: Models = Object.fromEntries(
    Object.entries(models).map(([name, { fields, dbName }]) => [
      name,
      {
        table: dbName ?? name,
        columns: columnsOf(name),
        relations: new Map(fields.filter(({ kind }) => kind === 'object').map((field) => [field.name, relationOf(name, field)])),
      },
    ]),
  );
  modelsCache.set(models, result);
  return result;
}

/**
 * Returns the foreign key of a to-one relation, which is named after the relation or after the model. Ignores the
 * second column of a composite key, since ids are unique.
 */
const foreignKey = (columns: ReadonlyMap<string, string>, relation: string, model: string): string | undefined =>
  columns.get(`${relation}Id`) ?? columns.get(`${model[0]!.toLowerCase()}${model.slice(1)}Id`);
