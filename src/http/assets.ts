import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { explorerScript, explorerStyle } from './pages/explorer-client.ts';
import { printScript, printStyle } from './pages/print-style.ts';
import { icon, siteStyle } from './pages/style.ts';

/** Serves the static files of the pages from memory, so that the server needs no folder of assets and no other host. */

// Imported on first use: GraphiQL takes megabytes of memory.
const graphiql = () => import('@graphql-yoga/render-graphiql/graphiql');

const script = 'text/javascript; charset=utf-8';
const style = 'text/css; charset=utf-8';

const files: Record<string, { type: string; text(): string | Promise<string> }> = {
  'site.css': { type: style, text: () => siteStyle },
  'print.css': { type: style, text: () => printStyle },
  'print.js': { type: script, text: () => printScript },
  'robots.txt': { type: 'text/plain; charset=utf-8', text: () => 'User-agent: *\nDisallow: /\n' },
  'icon.svg': { type: 'image/svg+xml', text: () => icon },
  'explorer.css': { type: style, text: () => explorerStyle },
  'explorer.js': { type: script, text: () => explorerScript },
  'graphiql.css': { type: style, text: async () => (await graphiql()).css },
  'graphiql.js': { type: script, text: async () => (await graphiql()).js },
  'graphiql-editor.worker.js': { type: script, text: async () => (await graphiql()).editorWorkerService },
  'graphiql-json.worker.js': { type: script, text: async () => (await graphiql()).jsonWorker },
  'graphiql-graphql.worker.js': { type: script, text: async () => (await graphiql()).graphqlWorker },
};

interface Asset {
  plain: Buffer;
  gzipped: Buffer;
  etag: string;
}

// eslint-disable-next-line no-restricted-syntax -- files are constants, read on first use.
const assets = new Map<string, Promise<Asset>>();

async function loadAsset(name: string): Promise<Asset> {
  const plain = Buffer.from(await files[name]!.text());
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
  return { plain, gzipped: await promisify(gzip)(plain), etag };
}

/**
 * Sends `/assets/<name>`, which browsers cache for an hour and then revalidate. Resolves to false for an unknown name.
 */
export async function sendAsset(req: IncomingMessage, res: ServerResponse, name: string): Promise<boolean> {
  if (!Object.hasOwn(files, name)) return false;
  if (!assets.has(name)) assets.set(name, loadAsset(name));
  const { plain, gzipped, etag } = await assets.get(name)!;
  const headers = {
    'content-type': files[name]!.type,
    'cache-control': 'public, max-age=3600',
    etag,
    vary: 'Accept-Encoding, Origin',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  };
  if (req.headers['if-none-match'] === etag) {
    res.writeHead(304, headers).end();
    return true;
  }
  const acceptsGzip = /\bgzip\b/.test(req.headers['accept-encoding'] ?? '');
  const body = acceptsGzip ? gzipped : plain;
  res.writeHead(200, { ...headers, 'content-length': body.length, ...(acceptsGzip ? { 'content-encoding': 'gzip' } : {}) });
  res.end(req.method === 'HEAD' ? undefined : body);
  return true;
}
