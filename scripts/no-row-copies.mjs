import ts from 'typescript';

/**
 * A lint rule against copies of rows. The columns of a row are accessors of its class, so a copy of the row's own
 * properties lacks the columns. Reports a spread, a rest, `Object.assign`, `Object.entries`, `Object.keys`,
 * `Object.values` and `structuredClone` of a row. A row is a value whose type is a class of src/db/generated/rows.ts,
 * also in a union or an intersection.
 */

const copyingMethods = new Set(['assign', 'entries', 'keys', 'values']);

const isColumnOfRow = ({ flags, declarations = [] }) =>
  (flags & ts.SymbolFlags.Accessor) !== 0 &&
  declarations.some((declaration) => /\/db\/generated\/rows\.ts$/.test(declaration.getSourceFile().fileName));

export const noRowCopies = {
  meta: { type: 'problem', schema: [], messages: { copy: 'A copy of a row has none of its columns: use `plain(row)`.' } },
  create(context) {
    const services = context.sourceCode.parserServices;
    const isRow = (type) => (type.isUnion() ? type.types.some(isRow) : type.getProperties().some(isColumnOfRow));
    const check = (node, value) => isRow(services.getTypeAtLocation(value)) && context.report({ node, messageId: 'copy' });
    return {
      'ObjectExpression > SpreadElement': (node) => check(node, node.argument),
      'ObjectPattern > RestElement': (node) => check(node, node.parent),
      CallExpression(node) {
        const { callee } = node;
        const copies =
          callee.type === 'MemberExpression'
            ? callee.object.name === 'Object' && copyingMethods.has(callee.property.name)
            : callee.name === 'structuredClone';
        if (copies) for (const argument of node.arguments) if (argument.type !== 'SpreadElement') check(node, argument);
      },
    };
  },
};
