import {
  ColumnTypeEnum,
  DriverAdapterError,
  type ArgType,
  type ColumnType,
  type MappedError,
  type SqlDriverAdapter,
  type SqlDriverAdapterFactory,
  type SqlQuery,
  type SqlResultSet,
  type Transaction,
} from '@prisma/driver-adapter-utils';
import pg from 'pg';

/** Executes a statement on the connection of a transaction. */
export type ExecuteStatement = (config: pg.QueryArrayConfig) => Promise<pg.QueryResult>;

/**
 * Prisma's driver adapter for a client inside a transaction, written against the interface that Prisma publishes for
 * adapters. Converts values as @prisma/adapter-pg does, for the types of prisma/schema.prisma;
 * test/db/transaction-adapter.test.ts compares the results of both adapters.
 */
class TransactionAdapter implements SqlDriverAdapter, Transaction {
  readonly provider = 'postgres';
  readonly adapterName = 'transaction';
  /** Makes Prisma call `commit` and `rollback` instead of sending COMMIT and ROLLBACK. */
  readonly options = { usePhantomQuery: true };
  readonly #execute: ExecuteStatement;

  constructor(execute: ExecuteStatement) {
    this.#execute = execute;
  }

  async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    const { fields, rows } = await this.#run(query);
    return {
      columnNames: fields.map(({ name }) => name),
      columnTypes: fields.map(({ dataTypeID }) => columnTypeOf(dataTypeID)),
      rows: rows as unknown[][],
    };
  }

  async executeRaw(query: SqlQuery): Promise<number> {
    return (await this.#run(query)).rowCount ?? 0;
  }

  /**
   * Prisma calls this for a nested write. Starts no transaction, but returns the current one, which `transaction` in
   * transaction.ts commits.
   */
  async startTransaction(): Promise<Transaction> {
    return this;
  }

  async commit(): Promise<void> {}

  async rollback(): Promise<void> {}

  async dispose(): Promise<void> {}

  async executeScript(): Promise<void> {
    throw new Error('a transaction runs no scripts');
  }

  getConnectionInfo() {
    return { supportsRelationJoins: true };
  }

  async #run({ sql, args, argTypes }: SqlQuery): Promise<pg.QueryResult> {
    try {
      return await this.#execute({ text: sql, values: args.map((arg, n) => parameterOf(arg, argTypes[n])), rowMode: 'array', types });
    } catch (error) {
      throw error instanceof pg.DatabaseError ? new DriverAdapterError(describe(error)) : error;
    }
  }
}

/** Returns the factory that Prisma's client takes as its adapter. */
export const adapterFactory = (execute: ExecuteStatement): SqlDriverAdapterFactory => ({
  provider: 'postgres',
  adapterName: 'transaction',
  connect: () => Promise.resolve(new TransactionAdapter(execute)),
});

/** Converts a parameter from Prisma's form to node-postgres's form. Prisma passes dates and bytes as texts. */
function parameterOf(arg: unknown, type: ArgType | undefined): unknown {
  if (Array.isArray(arg) && type?.arity === 'list') return arg.map((value) => parameterOf(value, type));
  if (arg instanceof Date || (typeof arg === 'string' && type?.scalarType === 'datetime')) {
    const text = new Date(arg).toISOString();
    return type?.dbType === 'DATE' ? text.slice(0, 'yyyy-mm-dd'.length) : text;
  }
  return typeof arg === 'string' && type?.scalarType === 'bytes' ? Buffer.from(arg, 'base64') : arg;
}

const { builtins } = pg.types;
const textArray = 1009;

const columnTypes: Readonly<Record<number, ColumnType>> = {
  [builtins.INT2]: ColumnTypeEnum.Int32,
  [builtins.INT4]: ColumnTypeEnum.Int32,
  [builtins.INT8]: ColumnTypeEnum.Int64,
  [builtins.BOOL]: ColumnTypeEnum.Boolean,
  [builtins.TEXT]: ColumnTypeEnum.Text,
  [builtins.VARCHAR]: ColumnTypeEnum.Text,
  [builtins.UUID]: ColumnTypeEnum.Uuid,
  [builtins.DATE]: ColumnTypeEnum.Date,
  [builtins.TIMESTAMPTZ]: ColumnTypeEnum.DateTime,
  [builtins.JSON]: ColumnTypeEnum.Json,
  [builtins.JSONB]: ColumnTypeEnum.Json,
  [builtins.BYTEA]: ColumnTypeEnum.Bytes,
  [textArray]: ColumnTypeEnum.TextArray,
};

/** OIDs of types that a database creates, such as enums, begin here. Built-in types have lower OIDs. */
const firstOwnType = 16_384;

function columnTypeOf(oid: number): ColumnType {
  const type = columnTypes[oid] ?? (oid >= firstOwnType ? ColumnTypeEnum.Text : undefined);
  if (type === undefined) throw new DriverAdapterError({ kind: 'UnsupportedNativeDataType', type: String(oid) });
  return type;
}

const unparsed = (text: string): string => text;

/** Prisma parses dates and JSON itself. */
const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  [builtins.DATE]: unparsed,
  [builtins.JSON]: unparsed,
  [builtins.JSONB]: unparsed,
  // The session's time zone is UTC, so the text ends with +00. Appends `:00`, because Prisma expects +00:00 there.
  [builtins.TIMESTAMPTZ]: (text) => `${text.replace(' ', 'T')}:00`,
};

const types = { getTypeParser: (oid: number, format?: 'text' | 'binary'): unknown => parsers[oid] ?? pg.types.getTypeParser(oid, format) };

/** Converts an error to Prisma's form. Omits `detail`, which contains values of the row. */
function describe({ code = '', message, severity = '', constraint, column }: pg.DatabaseError) {
  return { originalCode: code, originalMessage: message, ...mapError() };

  function mapError(): MappedError {
    const index = constraint === undefined ? {} : { constraint: { index: constraint } };
    switch (code) {
      case '23502':
        return { kind: 'NullConstraintViolation', ...(column === undefined ? {} : { constraint: { fields: [column] } }) };
      case '23503':
        return { kind: 'ForeignKeyConstraintViolation', ...index };
      case '23505':
        return { kind: 'UniqueConstraintViolation', ...index };
      case '40001':
      case '40P01':
        return { kind: 'TransactionWriteConflict' };
      default:
        return { kind: 'postgres', code, severity, message, column, detail: undefined, hint: undefined };
    }
  }
}
