import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { columns } from '../../src/policy/actor.ts';
import { actions, openActions, permissions, scopes, type Action } from '../../src/policy/permissions.ts';
import { schema } from '../../src/graphql/schema.ts';

/** The permissions table is complete: every mutation has a row, and every row and scope is used. */

const mutations = Object.keys(schema.getMutationType()!.getFields());

/** Returns the mutation of an action: `createChat` for `chat.create`. */
function mutationOf(action: string): string {
  const [noun, verb] = action.split('.') as [string, string];
  return verb + noun[0]!.toUpperCase() + noun.slice(1);
}

/**
 * The functions of src/policy and src/domain/access.ts that check a permission; src/domain/resources.ts names one as
 * `read`.
 */
const asking = new Set(['can', 'where', 'authorize', 'demandRank', 'findFor']);

/** Maps each action that src/domain checks to the top-level functions that check it; reads the syntax tree. */
function asked(): Map<string, Set<string>> {
  const folder = new URL('../../src/domain/', import.meta.url);
  const found = new Map<string, Set<string>>();
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.ts'))) {
    const source = ts.createSourceFile(name, readFileSync(new URL(name, folder), 'utf8'), ts.ScriptTarget.ES2023);
    for (const statement of source.statements) {
      const by = ts.isFunctionDeclaration(statement) ? (statement.name?.text ?? '') : '';
      const note = (node: ts.Node | undefined) => {
        if (node !== undefined && ts.isStringLiteral(node)) found.set(node.text, (found.get(node.text) ?? new Set()).add(by));
      };
      const walk = (node: ts.Node): void => {
        if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && asking.has(node.expression.text)) node.arguments.forEach(note);
        if (name === 'resources.ts' && ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) && node.name.text === 'read')
          note(node.initializer);
        ts.forEachChild(node, walk);
      };
      walk(statement);
    }
  }
  return found;
}

const askedBy = asked();

describe('every mutation', () => {
  it.each(mutations)('%s has a row, or is open to everyone who is signed in', (mutation) => {
    expect([...actions, ...openActions].map(mutationOf)).toContain(mutation);
  });

  it.each(actions.filter((action) => mutations.includes(mutationOf(action))))('of %s checks its own permission', (action) => {
    expect([...(askedBy.get(action) ?? [])]).toContain(mutationOf(action));
  });
});

it.each(actions)('%s is checked in src/domain', (action) => {
  expect(askedBy.get(action)?.size ?? 0).toBeGreaterThan(0);
});

it('has no row for an action that can be neither performed nor read', () => {
  const done = (action: Action) => mutations.includes(mutationOf(action)) || /\.read/.test(action);
  expect(actions.filter((action) => !done(action))).toEqual([]);
});

it('uses every scope, and only on its noun', () => {
  const used = new Set(
    actions.flatMap((action) =>
      columns.flatMap((column) => permissions[action].cells[column].map((scope) => `${permissions[action].on}.${scope}`)),
    ),
  );
  const written = Object.entries(scopes).flatMap(([noun, of]) => Object.keys(of).map((scope) => `${noun}.${scope}`));
  expect([...used].sort()).toEqual(written.sort());
});

describe('clauses', () => {
  const regulation = readFileSync(new URL('../../docs/regulation.md', import.meta.url), 'utf8');
  it.each(actions)('of %s exists in the regulation', (action) => {
    expect(regulation).toContain(`<a id="${permissions[action].clause.replace(/[. ]/g, '-')}"></a>`);
  });
});
