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

/** Functions that check the action in their arguments. A resource names its action in the property `read` instead. */
const checks = new Set(['can', 'where', 'authorize', 'demandRank', 'findFor']);

/** Maps each action that src/domain checks to the top-level functions that check it. Finds them in the syntax trees. */
function findCheckedActions(): Map<string, Set<string>> {
  const folder = new URL('../../src/domain/', import.meta.url);
  const found = new Map<string, Set<string>>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))) {
    const source = ts.createSourceFile(name, readFileSync(new URL(name, folder), 'utf8'), ts.ScriptTarget.ES2023);
    for (const statement of source.statements) {
      const by = ts.isFunctionDeclaration(statement) ? (statement.name?.text ?? '') : '';
      const note = (node: ts.Node | undefined) => {
        if (node !== undefined && ts.isStringLiteral(node)) found.set(node.text, (found.get(node.text) ?? new Set()).add(by));
      };
      const walk = (node: ts.Node): void => {
        if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && checks.has(node.expression.text)) node.arguments.forEach(note);
        if (ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) && node.name.text === 'read') note(node.initializer);
        ts.forEachChild(node, walk);
      };
      walk(statement);
    }
  }
  return found;
}

const checkedActions = findCheckedActions();

describe('every mutation', () => {
  it.each(mutations)('%s has a row, or is open to everyone who is signed in', (mutation) => {
    expect([...actions, ...openActions].map(mutationOf)).toContain(mutation);
  });

  it.each(actions.filter((action) => mutations.includes(mutationOf(action))))('of %s checks its own permission', (action) => {
    expect([...(checkedActions.get(action) ?? [])]).toContain(mutationOf(action));
  });
});

it.each(actions)('%s is checked in src/domain', (action) => {
  expect(checkedActions.get(action)?.size ?? 0).toBeGreaterThan(0);
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
  const root = new URL('../../', import.meta.url);
  const regulation = readFileSync(new URL('docs/regulation.md', root), 'utf8');
  it.each(actions)('of %s exists in the regulation', (action) => {
    expect(regulation).toContain(`<a id="${permissions[action].clause.replace(/[. ]/g, '-')}"></a>`);
  });

  /** The clauses that have a test. The title of a test begins with its clauses: `2.1 g — …`, or `2.2 h, 2.3 h — …`. */
  const tested = new Set(
    readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.ts'))
      .flatMap((file) => [...readFileSync(new URL(`test/${file}`, root), 'utf8').matchAll(/(?:it|describe)\('(\d[^'—]*) — /g)])
      .flatMap(([, clauses]) => clauses!.split(', ')),
  );
  it.each([...new Set(actions.map((action) => permissions[action].clause))])('%s has a test', (clause) => {
    expect([...tested], `write a test with the title «${clause} — …» in the noun's own test or in test/regulation.test.ts`).toContain(
      clause,
    );
  });
});
