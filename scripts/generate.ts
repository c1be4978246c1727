import { lexicographicSortSchema, printSchema } from 'graphql';
import { schema } from '../src/graphql/schema.ts';
import { printEvents, printPolicy } from './docs.ts';
import { writeGenerated } from './generated-files.ts';
import { writeFolders } from './tree.ts';

/**
 * Writes the texts that are printed from the code: schema.graphql, docs/policy.md, docs/events.md, and the overview of
 * the folders in both READMEs. With `--check` it fails if one of them is out of date. `npm run generate` first generates
 * the database client, then runs this script, then generates the types of the operations in test/operations.
 */

writeGenerated('schema.graphql', `${printSchema(lexicographicSortSchema(schema))}\n`);
writeGenerated('docs/policy.md', printPolicy());
writeGenerated('docs/events.md', printEvents());
writeFolders();
