/** The context of every resolver: the domain's context of one request, or of one item of a subscription. */
export type { Context as GraphContext } from '../domain/context.ts';
