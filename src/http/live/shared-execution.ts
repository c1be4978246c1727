import { createHash } from 'node:crypto';
import {
  getOperationAST,
  getVariableValues,
  Kind,
  print,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type ASTNode,
  type DocumentNode,
  type ExecutionArgs,
  type GraphQLSchema,
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

/** Cached facts about an operation of a document. */
interface DocumentFacts {
  /** Whether the document selects a field whose value depends on the viewer. */
  ofViewer: boolean;
  /** Variables that occur only in the arguments of the subscription's root field. */
  streamVariables: ReadonlySet<string>;
}

const documentFacts = new WeakMap<OperationDefinitionNode, DocumentFacts>();

/**
 * Returns the key of the subscribers with the same request. The key covers everything that an execution reads of a
 * request: the document, the operation, the language and the coerced variables. It omits variables that occur only in
 * the arguments of the root field, since `streamKey` covers them.
 */
export function groupOf(
  { schema, document, operationName, variableValues, contextValue }: ExecutionArgs,
  streamKey: string,
): { groupKey: string; ofViewer: boolean } {
  const operation = getOperationAST(document, operationName)!;
  let facts = documentFacts.get(operation);
  if (facts === undefined) {
    facts = { ofViewer: selectsOfViewer(schema, document), streamVariables: streamVariablesOf(document, operation) };
    documentFacts.set(operation, facts);
  }
  const { ofViewer, streamVariables } = facts;
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
  const values = Object.entries(coerced!).filter(([variable]) => !streamVariables.has(variable));
  const { language } = contextValue as GraphContext;
  // An absent variable has no entry, unlike a null one. Entries have the order of the variable definitions.
  const text = JSON.stringify([document.loc?.source.body ?? print(document), operationName ?? null, streamKey, values, language]);
  return { groupKey: createHash('sha256').update(text).digest('base64'), ofViewer };
}

function selectsOfViewer(schema: GraphQLSchema, document: DocumentNode): boolean {
  const info = new TypeInfo(schema);
  let ofViewer = false;
  visit(document, visitWithTypeInfo(info, { Field: () => void (ofViewer ||= info.getFieldDef()?.extensions.ofViewer === true) }));
  return ofViewer;
}

/** Returns the variables that occur only in the arguments of the operation's root fields. */
function streamVariablesOf(document: DocumentNode, operation: OperationDefinitionNode): ReadonlySet<string> {
  const rootArguments = new Set<ASTNode>();
  for (const field of operation.selectionSet.selections)
    if (field.kind === Kind.FIELD) for (const argument of field.arguments ?? []) rootArguments.add(argument);
  const elsewhere = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Argument: (node) => (rootArguments.has(node) ? false : undefined),
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
  /** Makes the members without a result execute the event individually. */
  giveUp(error: unknown, to: readonly Cohort[]): Promise<void>;
}

/** Whether all members, or no member, may see a resource, by the resource's key. */
type KnownVisibility = ReadonlyMap<string, boolean>;

/**
 * Executes an event for a group. The first execution uses an actor that stands for all members: if only the visibility
 * of resources differs, members who see the same get the same result. If the execution reads rights in another way, the
 * function executes once for each cohort; if it reads rights of the person, once for each member. A failed execution
 * leaves only its own cohorts without a result.
 */
export async function executeForGroup(group: GroupExecution, cohorts: readonly Cohort[]): Promise<void> {
  if (cohorts.length === 1 && cohorts[0]!.members.length === 1) return executeIndividually(group, cohorts[0]!.members[0]!);
  const kinds = ['user', 'service'].map((kind) => cohorts.filter(({ actor }) => actor.kind === kind));
  await Promise.all(kinds.map((ofKind) => executeOnce(group, ofKind, new Map(), probeActor)));
}

async function executeIndividually(group: GroupExecution, member: Subscriber): Promise<void> {
  const { actor } = member;
  const alone = [{ actor, members: [member] }];
  try {
    await deliverSuccess(group, await group.run(group.base.renew(actor), actor), alone);
  } catch (error) {
    await group.giveUp(error, alone);
  }
}

/** Delivers a result without failures. @throws the error that made the execution fail. */
async function deliverSuccess({ deliver }: GroupExecution, executed: Executed, to: readonly Cohort[]): Promise<void> {
  const failure = failureOf(executed);
  if (failure !== undefined) throw failure;
  await deliver(executed, to);
}

/**
 * Creates the actor of a shared execution.
 * @param onOtherRights called when the execution reads rights that the actor cannot answer.
 */
type CreateActor = (onOtherRights: () => void) => UserActor | ServiceActor;

async function executeOnce(
  group: GroupExecution,
  cohorts: readonly Cohort[],
  knownVisibility: KnownVisibility,
  createActor: CreateActor,
): Promise<void> {
  try {
    await tryExecuteOnce(group, cohorts, knownVisibility, createActor);
  } catch (error) {
    await group.giveUp(error, cohorts);
  }
}

async function tryExecuteOnce(
  group: GroupExecution,
  cohorts: readonly Cohort[],
  knownVisibility: KnownVisibility,
  createActor: CreateActor,
): Promise<void> {
  const { base, delivery, run } = group;
  const [first] = cohorts;
  if (first === undefined) return;
  let needsOtherRights = false;
  const checked = new Map<string, Visibility>();
  const actor = createActor(() => (needsOtherRights = true));
  const context = base.renew(actor);
  const loaders: Loaders = {
    ...context.loaders,
    async byId<N extends ResourceType>(type: N, id: string) {
      const key = `${type} ${id}`;
      const visibility = await loadVisibility(base, delivery, type, id);
      if (!knownVisibility.has(key)) checked.set(key, visibility);
      return ((knownVisibility.get(key) ?? visibility.isVisibleTo(first.actor)) ? visibility.row : null) as Resources[N] | null;
    },
  };
  const result = await run({ ...context, credential: null, loaders }, actor);
  // Checks failures only after this, since an actor without a person may have caused them.
  if (needsOtherRights) {
    if (createActor === probeActor)
      await Promise.all(
        cohorts.map((cohort) =>
          executeOnce(group, [cohort], knownVisibility, (onOtherRights) => cohortActor(cohort.members[0]!.actor, onOtherRights)),
        ),
      );
    else await Promise.all(cohorts.flatMap(({ members }) => members).map((member) => executeIndividually(group, member)));
    return;
  }
  const visibilities = [...checked.values()];
  const executedPattern = visibilities.map((visibility) => (visibility.isVisibleTo(first.actor) ? '1' : '0')).join('');
  await Promise.all(
    [...partitionByVisibility(cohorts, visibilities)].map(async ([pattern, part]) => {
      if (pattern === executedPattern) return deliverSuccess(group, result, part);
      const added = [...checked.keys()].map((key, n) => [key, pattern[n] === '1'] as const);
      return executeOnce(group, part, new Map([...knownVisibility, ...added]), createActor);
    }),
  );
}

/**
 * Groups the members by the resources that they may see. The keys have a `1` or a `0` for each resource. A cohort stays
 * whole unless a personal right could make a resource visible to one of its members.
 */
function partitionByVisibility(cohorts: readonly Cohort[], visibilities: readonly Visibility[]): Map<string, Cohort[]> {
  const parts = new Map<string, Cohort[]>();
  const add = (pattern: string, cohort: Cohort): void => {
    const part = parts.get(pattern);
    if (part === undefined) parts.set(pattern, [cohort]);
    else part.push(cohort);
  };
  for (const { actor, members } of cohorts) {
    const visibleToAll = visibilities.map((visibility) => visibility.isVisibleTo(actor));
    const isUndecided = visibilities.map((visibility, n) => !visibleToAll[n] && mayBePersonal(actor, visibility.resourceType));
    if (!isUndecided.includes(true)) {
      add(visibleToAll.map((isVisible) => (isVisible ? '1' : '0')).join(''), { actor, members });
      continue;
    }
    const membersByPattern = new Map<string, Subscriber[]>();
    for (const member of members) {
      const pattern = visibilities
        .map((visibility, n) => (visibleToAll[n] || (isUndecided[n] && visibility.isVisibleTo(member.actor)) ? '1' : '0'))
        .join('');
      const same = membersByPattern.get(pattern);
      if (same === undefined) membersByPattern.set(pattern, [member]);
      else same.push(member);
    }
    for (const [pattern, same] of membersByPattern) add(pattern, { actor, members: same });
  }
  return parts;
}

/** Caches `mayBePersonal` by the actor of a cohort, which receives many events. */
const personalTypes = new WeakMap<UserActor | ServiceActor, Map<ResourceType, boolean>>();

/**
 * Returns whether a personal right could make a resource of this type visible, in addition to the rights of the cohort.
 */
function mayBePersonal(actor: UserActor | ServiceActor, type: ResourceType): boolean {
  let known = personalTypes.get(actor);
  if (known === undefined) personalTypes.set(actor, (known = new Map<ResourceType, boolean>()));
  let isPersonal = known.get(type);
  if (isPersonal === undefined) {
    isPersonal = false;
    readable(
      cohortActor(actor, () => (isPersonal = true)),
      type,
    );
    known.set(type, isPersonal);
  }
  return isPersonal;
}

/** Loads the visibility of a resource, once for all groups that receive the event. */
function loadVisibility(base: GraphContext, { shared }: Delivery, type: ResourceType, id: string): Promise<Visibility> {
  const key = `${type} ${id}`;
  let visibility = shared.get(key) as Promise<Visibility> | undefined;
  if (visibility === undefined) {
    const reader = (shared.get('reader') ?? base.renew({ kind: 'operator' })) as GraphContext;
    shared.set('reader', reader).set(key, (visibility = visibilityOf(reader, type, id)));
  }
  return visibility;
}
