// Starts worker.ts from the source, since a worker thread does not load TypeScript. Not compiled, not shipped.
import { tsImport } from 'tsx/esm/api';

await tsImport('./worker.ts', import.meta.url);
