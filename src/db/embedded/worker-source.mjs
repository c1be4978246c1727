// The worker as it stands in the source: a worker thread of its own accord loads no TypeScript. Not compiled, not shipped.
import { tsImport } from 'tsx/esm/api';

await tsImport('./worker.ts', import.meta.url);
