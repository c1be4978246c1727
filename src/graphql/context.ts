import type { Context } from '../domain/context.ts';

/** What every field is given: the domain's context of this request or delivered batch. */
export type GraphContext = Context;
