import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult, GraphQLError } from 'graphql';
import { createYoga, isAsyncIterable, mapAsyncIterator, type Plugin } from 'graphql-yoga';
import { resultOf } from '../../executor/executor.ts';
import { schema } from '../../graphql/schema.ts';
import { inLanguage, RequestError, type Mask } from '../errors.ts';
import { messages } from '../messages.ts';
import type { RequestContext } from '../request-context.ts';
import { languageOf, type RequestInfo } from '../request-info.ts';
import type { OperationArgs } from './admission.ts';
import type { DocumentParams } from './documents.ts';
import type { Pipeline, RequestEnvelope } from './pipeline.ts';

/**
 * Answers with Yoga the requests that fast-path.ts leaves: GET, other media types, streams of events. Yoga reads the
 * parameters and writes the response; the pipeline takes all steps in between. Only this file knows Yoga's types.
 */

type YogaPlugin = Plugin<RequestContext, RequestEnvelope>;

export interface YogaHandler {
  handle(request: IncomingMessage, response: ServerResponse, envelope: RequestEnvelope): Promise<void>;
  dispose(): Promise<void>;
}

/** @param mask masks the errors that Yoga itself makes. */
export function createYogaHandler(pipeline: Pipeline, mask: Mask): YogaHandler {
  const yoga = createYoga<RequestEnvelope, RequestContext>({
    schema,
    context: (context) => masked(pipeline, context.requestInfo, () => pipeline.createContext(context, context.params.operationName)),
    parserAndValidationCache: false,
    graphqlEndpoint: '/graphql',
    graphiql: false,
    landingPage: false,
    multipart: false,
    batching: false,
    logging: false,
    cors: false,
    maskedErrors: { maskError: (error) => mask(error) },
    plugins: [usePipeline(pipeline), useCodes(), useLanguage(), useStreamHeaders()],
  });
  return {
    handle: async (request, response, envelope) => void (await yoga.handle(request, response, envelope)),
    dispose: async () => void (await yoga.dispose()),
  };
}

/** Runs a step, and masks the errors that it throws. */
async function masked<T>(pipeline: Pipeline, { acceptLanguage, requestId }: RequestInfo, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const errors: GraphQLError[] = pipeline.maskErrors(error, languageOf(acceptLanguage), requestId);
    throw errors.length === 1 ? errors[0]! : new AggregateError(errors);
  }
}

/** Replaces Yoga's parsing, validation and execution with the steps of the pipeline. */
function usePipeline(pipeline: Pipeline): YogaPlugin {
  return {
    async onParams({ params, setParams, paramsHandler, setParamsHandler, context: { requestInfo } }) {
      // `params` may be null here: Yoga refuses parameters that are not an object only after this hook.
      const query = await masked(pipeline, requestInfo, () => pipeline.findText((params as DocumentParams | null) ?? {}));
      if (query !== undefined) setParams({ ...params, query });
      // Yoga calls this handler after all of its checks of the parameters.
      setParamsHandler(async (payload) => {
        await masked(pipeline, requestInfo, () => pipeline.readDocument(payload.params.query!, payload.context));
        return paramsHandler(payload);
      });
    },
    onParse: ({ context, setParsedDocument }) => setParsedDocument((context as unknown as RequestEnvelope).document!.document),
    onValidate: ({ setResult }) => setResult([]),
    onExecute: ({ setExecuteFn }) => setExecuteFn(async (args) => resultOf(await pipeline.execute(args as OperationArgs))),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn((args) => pipeline.subscribe(args as OperationArgs)),
  };
}

const notAcceptable = new RequestError('NOT_ACCEPTABLE', messages.notAcceptable, { status: 406 });

/** Adds a body with the error to the 406 response. Yoga sends this response without a body. */
function useCodes(): YogaPlugin {
  return {
    onResponse({ request, response, setResponse, fetchAPI }) {
      if (response.status !== 406) return;
      const language = languageOf(request.headers.get('accept-language'));
      const {
        message,
        extensions: { code },
      } = inLanguage(notAcceptable, language);
      const body = JSON.stringify({ errors: [{ message, extensions: { code } }] });
      setResponse(new fetchAPI.Response(body, { status: 406, headers: { 'content-type': 'application/json; charset=utf-8' } }));
    },
  };
}

/** Translates errors to the language of the request. Runs after Yoga's masking, which does not know the request. */
function useLanguage(): YogaPlugin {
  return {
    onResultProcess({ request, result, setResult }) {
      const language = languageOf(request.headers.get('accept-language'));
      const translated = (part: ExecutionResult): ExecutionResult =>
        part.errors === undefined ? part : { ...part, errors: part.errors.map((error) => inLanguage(error, language)) };
      if (isAsyncIterable(result)) setResult(mapAsyncIterator(result, translated));
      else if (!Array.isArray(result)) setResult(translated(result));
    },
  };
}

/** Tells proxies not to buffer or change a stream, and removes an invalid content coding. */
function useStreamHeaders(): YogaPlugin {
  return {
    onResponse({ response: { headers } }) {
      if (!/^(text\/event-stream|multipart\/mixed)/.test(headers.get('content-type') ?? '')) return;
      headers.set('cache-control', 'no-cache, no-transform');
      // nginx buffers a response unless it has this header.
      headers.set('x-accel-buffering', 'no');
      // Yoga sends `none`, which is not a content coding (RFC 9110, 8.4.1).
      headers.delete('content-encoding');
    },
  };
}
