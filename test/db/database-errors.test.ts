import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config.ts';
import { DatabaseStopped } from '../../src/db/availability.ts';
import { connectionError, extensions, statementError, statementReason } from '../../src/db/database-errors.ts';
import { readMigrations } from '../../src/db/migrate.ts';

/** Returns an error as PostgreSQL 15 sends it with lc_messages = ru_RU. `routine` is a C function of the server. */
const serverError = (code: string, routine: string, message: string) => Object.assign(new Error(message), { code, routine });

describe('an error of a server that speaks Russian', () => {
  it.each([
    [
      '28000',
      'ClientAuthentication',
      'в pg_hba.conf нет записи для компьютера "10.0.0.1", пользователя "u", базы "db", без шифрования',
      /pg_hba\.conf has no line.*sslmode=require/,
    ],
    [
      '28000',
      'ClientAuthentication',
      'pg_hba.conf отвергает подключение: компьютер "10.0.0.1", пользователь "u", база данных "db", без шифрования',
      /pg_hba\.conf has no line/,
    ],
    ['28000', 'InitializeSessionUserId', 'роль "u" не существует', /no role of this name that may log in/],
    ['28000', 'InitializeSessionUserId', 'для роли "u" вход запрещён', /ALTER ROLE … LOGIN/],
    ['28000', 'auth_failed', 'пользователь "u" не прошёл проверку подлинности (Peer)', /only the system user/],
    ['28000', 'ProcessStartupPacket', 'в стартовом пакете не указано имя пользователя PostgreSQL', /names no user/],
    ['28000', '', 'отказано', /refused the user: check/],
    ['42704', 'find_option', 'нераспознанный параметр конфигурации: "x"', /refuses the options/],
    ['42601', 'process_postgres_switches', 'неверный аргумент командной строки для серверного процесса: x', /refuses the options/],
    ['42501', 'aclcheck_error', 'нет доступа к базе данных db', /GRANT CONNECT/],
  ])('%s of %s «%s» is named with its reason when connecting', (code, routine, message, expected) => {
    const { message: text } = connectionError(serverError(code, routine, message), { host: 'h', user: 'u', database: 'db' });
    expect(text).toMatch(expected);
    expect(text).not.toMatch(/[а-я]|password, or/);
  });

  it.each([
    ['42501', 'execute_extension_script', 'нет прав для создания расширения "btree_gist"', /may not create the extension btree_gist/],
    ['42501', 'aclcheck_error', 'нет доступа к схеме public', /may not create tables in the schema public/],
    ['42501', 'aclcheck_error', 'нет доступа к таблице school', /tables of Sfera, which belong to another role/],
    ['0A000', 'parse_extension_control_file', 'расширение "pg_trgm" отсутствует', /does not have the extension pg_trgm/],
    [
      '58P01',
      'parse_extension_control_file',
      'не удалось открыть управляющий файл расширения "/usr/pg_trgm.control"',
      /does not have the extension pg_trgm/,
    ],
    [
      '42501',
      'execute_extension_script',
      'keine Berechtigung, um Erweiterung »pg_trgm« zu erzeugen',
      /may not create the extension pg_trgm/,
    ],
  ])('%s of %s «%s» is named with its reason at a statement', (code, routine, message, expected) => {
    expect(statementReason(serverError(code, routine, message))).toMatch(expected);
  });
});

it('knows every extension of the migrations', () => {
  const created = readMigrations().flatMap(({ sql }) =>
    [...sql.matchAll(/create extension(?: if not exists)? "?(\w+)/gi)].map(([, name]) => name),
  );
  expect(extensions).toEqual(created.sort());
});

describe('an error at the start', () => {
  it('is read from an error of Prisma', () => {
    const originalMessage = 'permission denied for table signing_key';
    const error = Object.assign(new Error('Raw query failed.'), {
      code: 'P2010',
      meta: { driverAdapterError: { message: 'x', cause: { originalCode: '42501', originalMessage } } },
    });
    expect(statementError(error)).toMatchObject({ message: expect.stringContaining('which belong to another role') });
  });

  it('of Prisma itself is not changed', () => {
    const error = Object.assign(new Error('Raw query failed.'), { code: 'P2010' });
    expect(statementError(error)).toBe(error);
  });

  it('that is already explained is not changed', () => {
    const error = new ConfigError('Explained.', { cause: serverError('42501', 'aclcheck_error', 'x') });
    expect(statementError(error)).toBe(error);
  });

  it('is the reason for which the embedded database stopped', () => {
    const reason = new ConfigError('The folder was lost.');
    expect(statementError(new DatabaseStopped(reason.message, { cause: reason }))).toBe(reason);
  });

  it('is one line when the connection was lost', () => {
    expect(statementError(new Error('Connection terminated unexpectedly'))).toBeInstanceOf(ConfigError);
  });
});
