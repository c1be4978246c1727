import {
  Kind, Lexer, NoSchemaIntrospectionCustomRule, OperationTypeNode, Source, TokenKind, validate, type ASTVisitor, type DocumentNode,
  type ExecutionArgs, type FragmentDefinitionNode, type GraphQLSchema, type SelectionSetNode, type ValidationContext, type ValueNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { Refusal, type Message } from '../../errors.ts';
import type { GraphContext } from '../../graphql/context.ts';
import { operationOf } from '../../executor/executor.ts';
import { RequestError } from '../errors.ts';
import { introspectionCost } from './introspection-cost.ts';

/** Requests that are wrong as such, found before they cost anything; on HTTP and on the socket alike. */

export const bounds = {
  /** Bytes of a request's body. */
  body: 256 * 1024,
  /** Characters of a document. */
  length: 20_000,
  tokens: 2000,
  /** Brackets of any kind open at once. */
  nesting: 40,
  /** Fields within fields. */
  depth: 15,
  aliases: 30,
  directives: 20,
  /** Objects that the pages asked for could hold. */
  cost: 50_000,
  /**
   * The same for the answer to a change, for an item of a subscription and for a query that has no plan, which are
   * executed without a break.
   */
  costAtOnce: 5000,
  /** Characters of one value among the variables. */
  value: 20_000,
  /** Values among the variables: each takes up to a hundred times the memory of its text. */
  values: 5000,
  /** Items of one list among the arguments or the variables. */
  items: 100,
} as const;

/** Limits of an anonymous document: enough for `invitationPreview` and for a health check. */
export const anonymousBounds = { length: 2000, tokens: 200, depth: 6, rootFields: 2 } as const;

const refuse = (code: string, ...text: Message): RequestError => new RequestError(code, text);

const tooManyItems: Message = [`В списке не больше ${bounds.items} элементов.`, `A list has at most ${bounds.items} items.`];

/**
 * Counts the document's tokens without recursion. Stops at invalid text, which the parser reports.
 * @throws RequestError at the first token past a bound.
 */
export function boundDocument(text: string): number {
  if (text.length > bounds.length) throw refuse('DOCUMENT_TOO_LONG', `В документе не больше ${bounds.length} знаков.`, `A document has at most ${bounds.length} characters.`);
  const lexer = new Lexer(new Source(text));
  let open = 0;
  for (let count = 1; ; count += 1) {
    let kind;
    try {
      ({ kind } = lexer.advance());
    } catch {
      return count;
    }
    if (kind === TokenKind.EOF) return count;
    if (count > bounds.tokens) throw refuse('TOO_MANY_TOKENS', `В документе не больше ${bounds.tokens} лексем.`, `A document has at most ${bounds.tokens} tokens.`);
    if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) open += 1;
    if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) open -= 1;
    if (open > bounds.nesting) throw refuse('NESTED_TOO_DEEP', `Одновременно может быть открыто не больше ${bounds.nesting} скобок.`, `At most ${bounds.nesting} brackets are open at once.`);
  }
}

const signInFor = (ru: string, en: string): Refusal =>
  new Refusal('UNAUTHENTICATED', [`Без входа в документе ${ru}. Войдите, чтобы отправить больший.`, `Without signing in, a document has ${en}. Sign in to send a larger one.`]);

/** Returns the refusal for a text that is too long for an anonymous request. */
export const anonymousLengthRefusal = (length: number): Refusal | undefined =>
  length > anonymousBounds.length ? signInFor(`не больше ${anonymousBounds.length} знаков`, `at most ${anonymousBounds.length} characters`) : undefined;

/** Returns the refusal for a document of so many tokens that it is too large for an anonymous request. */
export const anonymousTokensRefusal = (tokens: number): Refusal | undefined =>
  tokens > anonymousBounds.tokens ? signInFor(`не больше ${anonymousBounds.tokens} лексем`, `at most ${anonymousBounds.tokens} tokens`) : undefined;

/** Returns the refusal for a valid document that is too large for an anonymous request. Measures each fragment once. */
export function anonymousShapeRefusal({ definitions }: DocumentNode): Refusal | undefined {
  const fragments = new Map(definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node.selectionSet] as const] : [])));
  const measured = new Map<string, Shape>();
  const shapeOf = ({ selections }: SelectionSetNode): Shape => {
    const shapes = selections.map((selection): Shape => {
      if (selection.kind === Kind.FIELD) return { fields: 1, depth: 1 + (selection.selectionSet ? shapeOf(selection.selectionSet).depth : 0) };
      if (selection.kind === Kind.INLINE_FRAGMENT) return shapeOf(selection.selectionSet);
      const name = selection.name.value;
      const shape = measured.get(name) ?? shapeOf(fragments.get(name)!);
      measured.set(name, shape);
      return shape;
    });
    return { fields: shapes.reduce((sum, { fields }) => sum + fields, 0), depth: Math.max(0, ...shapes.map(({ depth }) => depth)) };
  };
  for (const node of definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION) continue;
    const { fields, depth } = shapeOf(node.selectionSet);
    if (fields > anonymousBounds.rootFields) return signInFor(`не больше ${anonymousBounds.rootFields} полей верхнего уровня`, `at most ${anonymousBounds.rootFields} root fields`);
    if (depth > anonymousBounds.depth) return signInFor(`вложенность полей не больше ${anonymousBounds.depth}`, `fields at most ${anonymousBounds.depth} deep`);
  }
  return undefined;
}

/** The size of a selection set, with its fragments: its direct fields, and the depth of its fields. */
interface Shape {
  fields: number;
  depth: number;
}

/** Counts aliases and directives, and measures depth through fragments; a fragment is measured once. */
export function BoundsRule(context: ValidationContext): ASTVisitor {
  let aliases = 0;
  let directives = 0;
  const measured = new Map<string, number>();
  const depthOf = (set: SelectionSetNode, visiting: ReadonlySet<string>): number =>
    Math.max(
      0,
      ...set.selections.map((selection) => {
        if (selection.kind === Kind.FIELD) return 1 + (selection.selectionSet ? depthOf(selection.selectionSet, visiting) : 0);
        if (selection.kind === Kind.INLINE_FRAGMENT) return depthOf(selection.selectionSet, visiting);
        const name = selection.name.value;
        const known = measured.get(name);
        if (known !== undefined) return known;
        const fragment = context.getFragment(name);
        // A cycle is another rule's error.
        if (!fragment || visiting.has(name)) return 0;
        const depth = depthOf(fragment.selectionSet, new Set([...visiting, name]));
        measured.set(name, depth);
        return depth;
      }),
    );
  return {
    Field(node) {
      if (node.alias && (aliases += 1) === bounds.aliases + 1)
        context.reportError(refuse('TOO_MANY_ALIASES', `В документе не больше ${bounds.aliases} псевдонимов.`, `A document has at most ${bounds.aliases} aliases.`));
    },
    ListValue(node) {
      if (node.values.length > bounds.items) context.reportError(refuse('LIST_TOO_LONG', ...tooManyItems));
    },
    Directive() {
      if ((directives += 1) === bounds.directives + 1)
        context.reportError(refuse('TOO_MANY_DIRECTIVES', `В документе не больше ${bounds.directives} директив.`, `A document has at most ${bounds.directives} directives.`));
    },
    OperationDefinition(node) {
      if (depthOf(node.selectionSet, new Set()) > bounds.depth)
        context.reportError(refuse('QUERY_TOO_DEEP', `Вложенность полей — не больше ${bounds.depth}.`, `Fields stand at most ${bounds.depth} deep.`));
    },
  };
}

/**
 * The objects that an operation could return: the `edges` of a page are as many as its `first` or `last` says, 20
 * without either, as the lists themselves have it; `ids` give one object each. Variables stand with their defaults.
 */
export function costOf(document: DocumentNode, variables: Record<string, unknown>, operationName?: string | null): number {
  const name = operationName ?? '';
  const before = constantCosts.get(document)?.get(name);
  if (before !== undefined) return before;
  const { cost, constant } = reckon(document, variables, operationName);
  if (constant) constantCosts.set(document, (constantCosts.get(document) ?? new Map<string, number>()).set(name, cost));
  return cost;
}

/** Costs of operations that no variable is part of, by their names: no more than a document has operations. */
const constantCosts = new WeakMap<DocumentNode, Map<string, number>>();

function reckon(document: DocumentNode, variables: Record<string, unknown>, operationName: string | null | undefined): { cost: number; constant: boolean } {
  let constant = true;
  const operation = document.definitions.find(
    (node) => node.kind === Kind.OPERATION_DEFINITION && (!operationName || node.name?.value === operationName),
  );
  if (operation?.kind !== Kind.OPERATION_DEFINITION) return { cost: 0, constant: false };
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  const defaults = new Map(operation.variableDefinitions?.map((each) => [each.variable.name.value, each.defaultValue]));
  const valueOf = (node: ValueNode | undefined): unknown => {
    if (node?.kind === Kind.VARIABLE) {
      constant = false;
      const name = node.name.value;
      const given = Object.hasOwn(variables, name) ? variables[name] : undefined;
      return given === undefined ? valueOf(defaults.get(name)) : given;
    }
    if (node?.kind === Kind.INT) return Number(node.value);
    return node?.kind === Kind.LIST ? node.values : undefined;
  };
  const known = new Map<string, number>();
  /** @param page the size of the page whose fields these are. */
  const ofSet = (set: SelectionSetNode, page: number): number => {
    let sum = 0;
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        if (!selection.selectionSet) continue;
        if (selection.name.value === '__schema' || selection.name.value === '__type') {
          sum += 1 + introspectionCost(selection.selectionSet, fragments);
          continue;
        }
        const argument = (name: string) => valueOf(selection.arguments?.find((arg) => arg.name.value === name)?.value);
        const ids = argument('ids');
        const size = argument('first') ?? argument('last');
        const times = selection.name.value === 'edges' ? page : Array.isArray(ids) ? ids.length : 1;
        sum += times * (1 + ofSet(selection.selectionSet, typeof size === 'number' ? Math.max(1, size) : 20));
      } else if (selection.kind === Kind.INLINE_FRAGMENT) sum += ofSet(selection.selectionSet, page);
      else {
        const name = `${selection.name.value} ${page}`;
        let cost = known.get(name);
        if (cost === undefined) {
          const fragment = fragments.get(selection.name.value);
          cost = fragment ? ofSet(fragment.selectionSet, page) : 0;
          known.set(name, cost);
        }
        sum += cost;
      }
      if (sum > bounds.cost) break;
    }
    return sum;
  };
  const cost = ofSet(operation.selectionSet, 1);
  return { cost, constant };
}

/** Returns the number of values, keys included, after `count` others. @throws RequestError at the first one past a bound. */
function boundValues(value: unknown, depth = 0, count = 0): number {
  if (count > bounds.values) throw refuse('TOO_MANY_VALUES', `В переменных не больше ${bounds.values} значений.`, `Variables hold at most ${bounds.values} values.`);
  if (depth > bounds.nesting) throw refuse('NESTED_TOO_DEEP', `Вложенность переменных — не больше ${bounds.nesting}.`, `Variables nest at most ${bounds.nesting} deep.`);
  if (typeof value === 'string' && value.length > bounds.value)
    throw refuse('VALUE_TOO_LONG', `В значении не больше ${bounds.value} знаков.`, `A value has at most ${bounds.value} characters.`);
  if (Array.isArray(value) && value.length > bounds.items) throw refuse('LIST_TOO_LONG', ...tooManyItems);
  let sum = count + 1;
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) sum = boundValues(inner, depth + 1, sum);
  return sum;
}

type OperationArgs = Pick<ExecutionArgs, 'document' | 'variableValues' | 'operationName'>;

function boundExecution(args: OperationArgs): void {
  boundValues(args.variableValues ?? {});
  boundCost(args, operationOf(args.document, args.operationName)?.operation === OperationTypeNode.QUERY ? bounds.cost : bounds.costAtOnce);
}

/** @throws RequestError for an operation past the limit of what is executed without a break. */
export const boundUnslicedCost = (args: OperationArgs): void => boundCost(args, bounds.costAtOnce);

function boundCost({ document, variableValues, operationName }: OperationArgs, most: number): void {
  if (costOf(document, variableValues ?? {}, operationName) > most)
    throw refuse('QUERY_TOO_COSTLY', `Запрошенные страницы могут содержать больше ${most} объектов; запросите меньше за один раз.`, `The pages asked for could hold more than ${most} objects; ask for less at once.`);
}

const introspecting = new WeakMap<DocumentNode, boolean>();

function introspects(schema: GraphQLSchema, document: DocumentNode): boolean {
  let known = introspecting.get(document);
  if (known === undefined)
    introspecting.set(document, (known = validate(schema, document, [NoSchemaIntrospectionCustomRule]).length > 0));
  return known;
}

/** What is found when a query or mutation that is valid is about to be executed. @throws what is past a bound. */
export function boundOperation(args: ExecutionArgs & { contextValue: GraphContext }, mayIntrospect: (ctx: GraphContext) => boolean): void {
  boundExecution(args);
  // Who asks is known only now: the context is made after validation.
  if (introspects(args.schema, args.document) && !mayIntrospect(args.contextValue))
    throw refuse('INTROSPECTION_FORBIDDEN', 'Схему видят вошедшие сотрудники школы и сервисы.', 'The schema is shown to signed-in staff of a school and to services.');
}

/** Applies the bounds of operations in Yoga's pipeline; src/http/graphql/documents.ts applies those of documents. */
export function useLimits(mayIntrospect: (ctx: GraphContext) => boolean): Plugin<GraphContext> {
  return {
    onExecute: ({ args }) => boundOperation(args, mayIntrospect),
    onSubscribe: ({ args }) => boundExecution(args),
  };
}
