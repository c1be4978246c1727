import { randomUUID } from 'node:crypto';

/** A UUID of version 7, as Prisma makes for rows: it begins with the time, so that new rows stand together in their index. */
export function newId(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
