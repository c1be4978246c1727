import { createHash } from 'node:crypto';
import { include, page, type Order } from '../db/page.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Context } from './context.ts';
import type { Page, PageArgs } from './rows.ts';

/** A list that stands under many parents of one level: classes under schools, pupils under classes. */

interface Finder {
  findMany(args: object): Promise<({ id: string } & Record<string, unknown>)[]>;
}

/**
 * One page of `relation` under a parent. Every parent of the level that asks for the same page is answered by one
 * statement, whatever their number and the length of their lists.
 */
export async function pageUnder<Row>(
  ctx: Context,
  parent: { model: 'school' | 'class' | 'chat' | 'user' | 'invitation'; id: string; relation: string },
  args: PageArgs,
  order: Order,
  filter: Filter,
): Promise<Page<Row>> {
  const asked = page<Row>(args, order);
  const where = { AND: [filter, asked.where] };
  const { model, relation } = parent;
  const related = include(order);
  const key = createHash('sha1').update(JSON.stringify([model, relation, where, asked.orderBy, asked.take])).digest('base64');
  const rows = await ctx.loaders.of<Row[]>(key, parent.id, async (ids) => {
    const parents = await (ctx.db.prisma[model] as unknown as Finder).findMany({
      relationLoadStrategy: 'join',
      where: { id: { in: [...ids] } },
      select: { id: true, [relation]: { where, orderBy: asked.orderBy, take: asked.take, ...(Object.keys(related).length === 0 ? {} : { include: related }) } },
    });
    return new Map(parents.map((row) => [row.id, row[relation] as Row[]]));
  });
  return asked.finish(rows ?? []);
}
