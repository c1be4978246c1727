import fc from 'fast-check';
import { GraphQLObjectType, type GraphQLField } from 'graphql';
import { describe, expect, it } from 'vitest';
import { wireBuffer, createView } from '../../src/reader/row-view.ts';
import { schema } from '../../src/graphql/schema.ts';
import { JsonWriter } from '../../src/executor/json-writer.ts';
import { rawColumnWriter } from '../../src/executor/raw-columns.ts';
import { columnBytes } from '../support/column-bytes.ts';

/**
 * The executor copies the values of some fields from the bytes of a row into the response (src/executor/raw-columns.ts).
 * The copied text equals the result of the field's resolver.
 */

const fields = Object.values(schema.getTypeMap())
  .filter((type): type is GraphQLObjectType => type instanceof GraphQLObjectType)
  .flatMap((type) =>
    Object.values(type.getFields()).map((field) => [`${type.name}.${field.name}`, field as GraphQLField<unknown, unknown>] as const),
  )
  .filter(([, field]) => rawColumnWriter(field) !== undefined);

const uuids = fc.uuid();
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('', 'Щ', '"', '\\', '\n', 'Иванова', 'Гора"ль', '\u007f\u2028'),
);

/** Builds a row as the server reads it from PostgreSQL (a row view, src/reader/row-view.ts). All columns are texts. */
function rowOf(columns: Record<string, string | null>) {
  const names = Object.keys(columns);
  const View = createView(
    { own: names, related: [], joined: null },
    names.map(() => null),
  );
  return { of: View, row: new View(wireBuffer(Buffer.concat(Object.values(columns).map(columnBytes))), 0) };
}

describe('a field with raw columns', () => {
  it('exists for every global id, name and text of a row', () => {
    const names = fields.map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(['User.id', 'ChatMember.id', 'User.fullName', 'User.surname', 'School.name']));
  });

  it.each(fields)('%s is written like the result of its resolver', (_name, field) => {
    const writer = rawColumnWriter(field)!;
    const columns = [
      'before',
      ...((field.extensions.rawColumns as { columns: string[] } | undefined)?.columns ?? [field.extensions.pothosExposedField as string]),
    ];
    const ids = field.extensions.rawColumns !== undefined && columns[1] === 'id';
    const values = fc.record(
      Object.fromEntries(columns.map((name) => [name, ids ? uuids : fc.option(texts.filter((text) => !text.includes('\0')))])),
    );
    const optional = new Set(['patronymic', 'before']);
    fc.assert(
      fc.property(values, (row) => {
        const many = columns.length > 2;
        if (many) for (const name of columns) if (!optional.has(name) && !row[name]) row[name] = 'Имя';
        const { of, row: view } = rowOf(row);
        const json = new JsonWriter();
        const written = writer.write(json, of, view.$buffer.view, view.$at);
        const resolved =
          (field.resolve as ((source: unknown) => unknown) | undefined)?.(view) ?? (view as unknown as Record<string, unknown>)[field.name];
        if (written) expect(json.bytes.toString('utf8', 0, json.at)).toBe(JSON.stringify(resolved));
        else {
          expect(json.at).toBe(0);
          // The writer leaves only null values, and texts that need escaping, to the resolver.
          expect(resolved === null || JSON.stringify(resolved).slice(1, -1) !== resolved).toBe(true);
        }
        json.end();
      }),
      { numRuns: 200 },
    );
  });

  it('uses its resolver if its id is null', () => {
    const [, id] = fields.find(([name]) => name === 'User.id')!;
    const { of, row } = rowOf({ id: null });
    const json = new JsonWriter();
    expect([rawColumnWriter(id)!.write(json, of, row.$buffer.view, row.$at), json.at]).toEqual([false, 0]);
    json.end();
  });

  it('uses its resolver if the row lacks a column', () => {
    const [, fullName] = fields.find(([name]) => name === 'User.fullName')!;
    const { of, row } = rowOf({ surname: 'Орлова', givenName: 'Анна' });
    const json = new JsonWriter();
    expect(rawColumnWriter(fullName)!.write(json, of, row.$buffer.view, row.$at)).toBe(false);
    json.end();
  });
});
