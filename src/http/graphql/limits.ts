import { Kind, Lexer, Source, TokenKind, type ASTVisitor, type DocumentNode, type SelectionSetNode, type ValidationContext } from 'graphql';
import { Refusal, type Message } from '../../errors.ts';
import { RequestError } from '../errors.ts';

/**
 * Limits of documents, variables and costs, on HTTP and on WebSocket. This file checks documents; admission.ts checks
 * the variables and the cost of an operation before it is executed.
 */

export const bounds = {
  body: 256 * 1024,
  /** Maximum number of characters of a document. */
  length: 20_000,
  tokens: 2000,
  /** Maximum number of brackets of any kind that are open at once. */
  nesting: 40,
  depth: 15,
  aliases: 30,
  directives: 20,
  /** Maximum cost of a query: the objects that the requested pages could hold. */
  cost: 50_000,
  /**
   * Maximum cost of a mutation, of an item of a subscription, or of a query without a plan. graphql-js executes
   * mutations and queries without a plan, and does not yield to the event loop meanwhile.
   */
  unslicedCost: 5000,
  /** Maximum number of characters of one value in the variables. */
  value: 20_000,
  /** Maximum number of values in the variables. A value takes up to a hundred times the memory of its text. */
  values: 5000,
  /** Maximum number of items of one list in the arguments or the variables. */
  items: 100,
} as const;

/** Limits of an anonymous document: enough for `invitationPreview` and for a health check. */
export const anonymousBounds = { length: 2000, tokens: 200, depth: 6, rootFields: 2 } as const;

export const refuse = (code: string, ...text: Message): RequestError => new RequestError(code, text);

export const tooManyItems: Message = [
  `В списке может быть не больше ${bounds.items} элементов.`,
  `A list may have at most ${bounds.items} items.`,
];

/**
 * Counts the document's tokens without recursion. Stops at invalid text, which the parser reports.
 * @throws RequestError at the first token past a bound.
 */
export function boundDocument(text: string): number {
  if (text.length > bounds.length)
    throw new RequestError('DOCUMENT_TOO_LONG', [
      `В документе может быть не больше ${bounds.length} знаков.`,
      `A document may have at most ${bounds.length} characters.`,
    ]);
  const lexer = new Lexer(new Source(text));
  let openBrackets = 0;
  for (let count = 1; ; count += 1) {
    let kind;
    try {
      ({ kind } = lexer.advance());
    } catch {
      return count;
    }
    if (kind === TokenKind.EOF) return count;
    if (count > bounds.tokens)
      throw new RequestError('TOO_MANY_TOKENS', [
        `В документе может быть не больше ${bounds.tokens} лексем.`,
        `A document may have at most ${bounds.tokens} tokens.`,
      ]);
    if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) openBrackets += 1;
    if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) openBrackets -= 1;
    if (openBrackets > bounds.nesting)
      throw new RequestError('NESTED_TOO_DEEP', [
        `Вложенность скобок в документе — не больше ${bounds.nesting}.`,
        `Brackets may be nested at most ${bounds.nesting} deep.`,
      ]);
  }
}

const signInFor = (ru: string, en: string): Refusal =>
  new Refusal('UNAUTHENTICATED', [
    `Без входа в документе может быть ${ru}. Войдите, чтобы отправить документ больше.`,
    `Without signing in, a document may have ${en}. Sign in to send a larger one.`,
  ]);

export const anonymousLengthRefusal = (length: number): Refusal | undefined =>
  length > anonymousBounds.length
    ? signInFor(`не больше ${anonymousBounds.length} знаков`, `at most ${anonymousBounds.length} characters`)
    : undefined;

export const anonymousTokensRefusal = (tokens: number): Refusal | undefined =>
  tokens > anonymousBounds.tokens
    ? signInFor(`не больше ${anonymousBounds.tokens} лексем`, `at most ${anonymousBounds.tokens} tokens`)
    : undefined;

/** Returns the refusal for a valid document that is too large for an anonymous request. Measures each fragment once. */
export function anonymousShapeRefusal({ definitions }: DocumentNode): Refusal | undefined {
  const fragments = new Map(
    definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node.selectionSet] as const] : [])),
  );
  const measured = new Map<string, Shape>();
  const shapeOf = ({ selections }: SelectionSetNode): Shape => {
    const shapes = selections.map((selection): Shape => {
      if (selection.kind === Kind.FIELD)
        return { fields: 1, depth: 1 + (selection.selectionSet ? shapeOf(selection.selectionSet).depth : 0) };
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
    if (fields > anonymousBounds.rootFields)
      return signInFor(
        `не больше ${anonymousBounds.rootFields} полей верхнего уровня`,
        `at most ${anonymousBounds.rootFields} root fields`,
      );
    if (depth > anonymousBounds.depth)
      return signInFor(
        `не больше ${anonymousBounds.depth} уровней вложенности полей`,
        `fields nested at most ${anonymousBounds.depth} deep`,
      );
  }
  return undefined;
}

/** The number of direct fields of a selection set, and the depth of all its fields, both with fragments expanded. */
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
        // graphql-js's NoFragmentCyclesRule reports the cycle.
        if (!fragment || visiting.has(name)) return 0;
        const depth = depthOf(fragment.selectionSet, new Set([...visiting, name]));
        measured.set(name, depth);
        return depth;
      }),
    );
  return {
    Field(node) {
      if (node.alias && (aliases += 1) === bounds.aliases + 1)
        context.reportError(
          new RequestError('TOO_MANY_ALIASES', [
            `В документе может быть не больше ${bounds.aliases} псевдонимов.`,
            `A document may have at most ${bounds.aliases} aliases.`,
          ]),
        );
    },
    ListValue(node) {
      if (node.values.length > bounds.items) context.reportError(new RequestError('LIST_TOO_LONG', tooManyItems));
    },
    Directive() {
      if ((directives += 1) === bounds.directives + 1)
        context.reportError(
          new RequestError('TOO_MANY_DIRECTIVES', [
            `В документе может быть не больше ${bounds.directives} директив.`,
            `A document may have at most ${bounds.directives} directives.`,
          ]),
        );
    },
    OperationDefinition(node) {
      if (depthOf(node.selectionSet, new Set()) > bounds.depth)
        context.reportError(
          new RequestError('QUERY_TOO_DEEP', [
            `Вложенность полей — не больше ${bounds.depth}.`,
            `Fields may be nested at most ${bounds.depth} deep.`,
          ]),
        );
    },
  };
}
