import { createHash } from 'node:crypto';
import {
  getOperationAST, getVariableValues, Kind, print, TypeInfo, visit, visitWithTypeInfo, type ASTNode, type DocumentNode, type ExecutionArgs, type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { probeActor, cohortActor, type ServiceActor, type UserActor } from '../../policy/actor.ts';
import type { Cohort, Subscriber, Delivery } from '../../events/live/subscriber-index.ts';
import type { Loaders } from '../../domain/loaders.ts';
import { readable } from '../../domain/resources.ts';
import type { ResourceType, Resources } from '../../domain/entities.ts';
import { visibilityOf, type Visibility } from '../../domain/viewer.ts';
import type { GraphContext } from '../../graphql/context.ts';
import type { Executed } from '../../executor/executor.ts';
import { failureOf } from './failures.ts';

/** One answer for several people: made once, and handed to all whose rights amount to the same. */

/** Facts about an operation of a document, found once. */
interface DocumentFacts {
  ofViewer: boolean;
  /** Variables that occur only in the arguments of the operation's own field. */
  ofStream: ReadonlySet<string>;
}

const documentFacts = new WeakMap<OperationDefinitionNode, DocumentFacts>();

/**
 * Returns the group of subscribers that asked for the same. Its key holds everything that an execution reads of a request:
 * the document, the operation, the language and all variables as they are coerced. It leaves out only variables that occur
 * nowhere but in the stream's own arguments, whose values are in `name`. `ofViewer`: a field is about the viewer.
 */
export function groupOf({ schema, document, operationName, variableValues, contextValue }: ExecutionArgs, name: string): { group: string; ofViewer: boolean } {
  const operation = getOperationAST(document, operationName)!;
  let found = documentFacts.get(operation);
  if (found === undefined) documentFacts.set(operation, (found = { ofViewer: asksOfViewer(schema, document), ofStream: variablesOfStream(document, operation) }));
  const { ofViewer, ofStream } = found;
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
  const values = Object.entries(coerced!).filter(([variable]) => !ofStream.has(variable));
  const { language } = contextValue as GraphContext;
  // An absent variable has no entry, a null one has. The order is that of the definitions.
  const text = JSON.stringify([document.loc?.source.body ?? print(document), operationName ?? null, name, values, language]);
  return { group: createHash('sha256').update(text).digest('base64'), ofViewer };
}

function asksOfViewer(schema: GraphQLSchema, document: DocumentNode): boolean {
  const info = new TypeInfo(schema);
  let ofViewer = false;
  visit(document, visitWithTypeInfo(info, { Field: () => void (ofViewer ||= info.getFieldDef()?.extensions.ofViewer === true) }));
  return ofViewer;
}

/** Returns the variables that occur only in the arguments of fields at the root of the operation. */
function variablesOfStream(document: DocumentNode, operation: OperationDefinitionNode): ReadonlySet<string> {
  const own = new Set<ASTNode>();
  for (const field of operation.selectionSet.selections)
    if (field.kind === Kind.FIELD) for (const argument of field.arguments ?? []) own.add(argument);
  const elsewhere = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Argument: (node) => (own.has(node) ? false : undefined),
    Variable: ({ name }) => void elsewhere.add(name.value),
  });
  const declared = operation.variableDefinitions?.map(({ variable }) => variable.name.value) ?? [];
  return new Set(declared.filter((variable) => !elsewhere.has(variable)));
}

interface GroupExecution {
  base: GraphContext;
  delivery: Delivery;
  run(context: GraphContext, actor: UserActor | ServiceActor): Promise<Executed>;
  deliver(executed: Executed, to: readonly Cohort[]): Promise<void>;
  /** Lets the members that got no answer execute the event themselves. */
  giveUp(error: unknown, to: readonly Cohort[]): Promise<void>;
}

/** What was decided about things, by their key: these people all may see it, or none of them may. */
type KnownVisibility = ReadonlyMap<string, boolean>;

/**
 * Answers all of a group. The first try is for anybody at all: only which things are seen may differ, and those who see
 * the same get the same answer. If the answer asks for rights in another way, it is made for each cohort, and if it asks
 * for the very person, for each alone. A failed execution leaves only its own cohorts without an answer.
 */
export async function executeForGroup(together: GroupExecution, cohorts: readonly Cohort[]): Promise<void> {
  if (cohorts.length === 1 && cohorts[0]!.members.length === 1) return executeIndividually(together, cohorts[0]!.members[0]!);
  const kinds = ['user', 'service'].map((kind) => cohorts.filter(({ actor }) => actor.kind === kind));
  await Promise.all(kinds.map((of) => executeOnce(together, of, new Map(), probeActor)));
}

async function executeIndividually(together: GroupExecution, member: Subscriber): Promise<void> {
  const { actor } = member;
  const alone = [{ actor, members: [member] }];
  try {
    await deliverSuccess(together, await together.run(together.base.renew(actor), actor), alone);
  } catch (error) {
    await together.giveUp(error, alone);
  }
}

/** Delivers an answer that holds no failure. @throws the error that made the execution fail. */
async function deliverSuccess({ deliver }: GroupExecution, executed: Executed, to: readonly Cohort[]): Promise<void> {
  const failure = failureOf(executed);
  if (failure !== undefined) throw failure;
  await deliver(executed, to);
}

type MakeActor = (asked: () => void) => UserActor | ServiceActor;

async function executeOnce(together: GroupExecution, cohorts: readonly Cohort[], decided: KnownVisibility, as: MakeActor): Promise<void> {
  try {
    await tryExecuteOnce(together, cohorts, decided, as);
  } catch (error) {
    await together.giveUp(error, cohorts);
  }
}

async function tryExecuteOnce(together: GroupExecution, cohorts: readonly Cohort[], decided: KnownVisibility, as: MakeActor): Promise<void> {
  const { base, delivery, run } = together;
  const [lead] = cohorts;
  if (lead === undefined) return;
  let askedMore = false;
  const asked = new Map<string, Visibility>();
  const actor = as(() => (askedMore = true));
  const context = base.renew(actor);
  const loaders: Loaders = {
    ...context.loaders,
    async byId<N extends ResourceType>(thing: N, id: string) {
      const key = `${thing} ${id}`;
      const sight = await loadVisibility(base, delivery, thing, id);
      if (!decided.has(key)) asked.set(key, sight);
      return ((decided.get(key) ?? sight.isVisibleTo(lead.actor)) ? sight.row : null) as Resources[N] | null;
    },
  };
  const result = await run({ ...context, credential: null, loaders }, actor);
  // A failure may come from the missing person, so failures count only below.
  if (askedMore) {
    if (as === probeActor) await Promise.all(cohorts.map((cohort) => executeOnce(together, [cohort], decided, (more) => cohortActor(cohort.members[0]!.actor, more))));
    else await Promise.all(cohorts.flatMap(({ members }) => members).map((member) => executeIndividually(together, member)));
    return;
  }
  const sights = [...asked.values()];
  const given = sights.map((sight) => (sight.isVisibleTo(lead.actor) ? '1' : '0')).join('');
  await Promise.all(
    [...partitionByVisibility(cohorts, sights)].map(async ([sees, part]) => {
      if (sees === given) return deliverSuccess(together, result, part);
      const now = [...asked.keys()].map((key, n) => [key, sees[n] === '1'] as const);
      return executeOnce(together, part, new Map([...decided, ...now]), as);
    }),
  );
}

/** Those who may see the same of these things, by what they may see: a cohort as a whole where no person's own right could add to it. */
function partitionByVisibility(cohorts: readonly Cohort[], sights: readonly Visibility[]): Map<string, Cohort[]> {
  const parts = new Map<string, Cohort[]>();
  const add = (sees: string, cohort: Cohort): void => {
    const part = parts.get(sees);
    if (part === undefined) parts.set(sees, [cohort]);
    else part.push(cohort);
  };
  for (const { actor, members } of cohorts) {
    const byAll = sights.map((sight) => sight.isVisibleTo(actor));
    const open = sights.map((sight, n) => !byAll[n] && mayBePersonal(actor, sight.resourceType));
    if (!open.includes(true)) {
      add(byAll.map((may) => (may ? '1' : '0')).join(''), { actor, members });
      continue;
    }
    const apart = new Map<string, Subscriber[]>();
    for (const member of members) {
      const sees = sights.map((sight, n) => (byAll[n] || (open[n] && sight.isVisibleTo(member.actor)) ? '1' : '0')).join('');
      const same = apart.get(sees);
      if (same === undefined) apart.set(sees, [member]);
      else same.push(member);
    }
    for (const [sees, same] of apart) add(sees, { actor, members: same });
  }
  return parts;
}

/** Things that a person's own right could open, or could not, by who stands for a cohort; a cohort is told of many events. */
const personal = new WeakMap<UserActor | ServiceActor, Map<ResourceType, boolean>>();

/** Whether a person's own right could open a thing of this kind, beside what they have in common with others. */
function mayBePersonal(actor: UserActor | ServiceActor, thing: ResourceType): boolean {
  let known = personal.get(actor);
  if (known === undefined) personal.set(actor, (known = new Map<ResourceType, boolean>()));
  let asks = known.get(thing);
  if (asks === undefined) {
    asks = false;
    readable(cohortActor(actor, () => (asks = true)), thing);
    known.set(thing, asks);
  }
  return asks;
}

/** A thing by its id, read once for all who are told of the event. */
function loadVisibility(base: GraphContext, { shared }: Delivery, thing: ResourceType, id: string): Promise<Visibility> {
  const key = `${thing} ${id}`;
  let sight = shared.get(key) as Promise<Visibility> | undefined;
  if (sight === undefined) {
    const reader = (shared.get('reader') ?? base.renew({ kind: 'operator' })) as GraphContext;
    shared.set('reader', reader).set(key, (sight = visibilityOf(reader, thing, id)));
  }
  return sight;
}
