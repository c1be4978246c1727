/**
 * Functions of graphql-js 16.15 that its documented API lacks. If a release moves them, the imports of this file fail,
 * and with them test/executor/executor.test.ts.
 */

export { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';
export { inspect } from 'graphql/jsutils/inspect.js';
