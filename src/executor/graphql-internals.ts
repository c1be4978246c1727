/**
 * Functions of graphql-js 16.15 that its documented API lacks. A release that moves them fails the imports of this file,
 * and with them test/executor/executor.test.ts.
 */

export { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';
export { inspect } from 'graphql/jsutils/inspect.js';
