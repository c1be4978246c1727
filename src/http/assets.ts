import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { explorerScript, explorerStyle } from './pages/explorer-client.ts';
import { icon, siteStyle } from './pages/style.ts';

/** The files of the pages, from memory: the server needs no folder beside it, and no other host. */

// The explorer is megabytes, which a server that nobody explores need not hold.
const graphiql = () => import('@graphql-yoga/render-graphiql/graphiql');

const script = 'text/javascript; charset=utf-8';
const style = 'text/css; charset=utf-8';

const files: Record<string, { type: string; text(): string | Promise<string> }> = {
  'site.css': { type: style, text: () => siteStyle },
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

interface Packed {
  plain: Buffer;
  small: Buffer;
  tag: string;
}

const packed = new Map<string, Promise<Packed>>();

async function pack(name: string): Promise<Packed> {
  const plain = Buffer.from(await files[name]!.text());
  const tag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
  return { plain, small: await promisify(gzip)(plain), tag };
}

/** `/assets/<name>`; false when there is no such file. A browser asks again after an hour, and is told if nothing changed. */
export async function sendAsset(req: IncomingMessage, res: ServerResponse, name: string): Promise<boolean> {
  if (!Object.hasOwn(files, name)) return false;
  if (!packed.has(name)) packed.set(name, pack(name));
  const { plain, small, tag } = await packed.get(name)!;
  const headers = {
    'content-type': files[name]!.type,
    'cache-control': 'public, max-age=3600',
    etag: tag,
    vary: 'Accept-Encoding, Origin',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  };
  if (req.headers['if-none-match'] === tag) {
    res.writeHead(304, headers).end();
    return true;
  }
  const zipped = /\bgzip\b/.test(req.headers['accept-encoding'] ?? '');
  const body = zipped ? small : plain;
  res.writeHead(200, { ...headers, 'content-length': body.length, ...(zipped ? { 'content-encoding': 'gzip' } : {}) });
  res.end(req.method === 'HEAD' ? undefined : body);
  return true;
}
