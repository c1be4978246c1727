import type { ExecutionArgs, ExecutionResult } from 'graphql';
import { isAsyncIterable, mapAsyncIterator, type Plugin } from 'graphql-yoga';
import type { GraphContext } from '../../graphql/context.ts';
import { inLanguage, RequestError, type Mask } from '../errors.ts';
import { messages } from '../messages.ts';
import { languageOf } from '../request-context.ts';

/** Yoga plugins for the codes and languages of errors, and for the headers of streams. */

const notAcceptable = new RequestError('NOT_ACCEPTABLE', messages.notAcceptable, { status: 406 });

/** Adds a body to Yoga's 406 response, which has none. */
export function useCodes(): Plugin<GraphContext> {
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

/**
 * Masks errors with the language and the id of the request, before Yoga's own masking, which knows neither. Must come
 * after the plugins that replace the execute and subscribe functions.
 */
export function useMask(mask: Mask): Plugin<GraphContext> {
  const masked =
    <Result>(executeFn: (args: ExecutionArgs) => Result | Promise<Result>) =>
    async (args: ExecutionArgs): Promise<Result> => {
      const { language, requestId } = args.contextValue as GraphContext;
      try {
        const result = await executeFn(args);
        const { errors } = result as ExecutionResult;
        return errors === undefined ? result : { ...result, errors: errors.map((error) => mask(error, language, requestId)) };
      } catch (error) {
        throw mask(error, language, requestId);
      }
    };
  return {
    onExecute: ({ executeFn, setExecuteFn }) => setExecuteFn(masked(executeFn)),
    onSubscribe: ({ subscribeFn, setSubscribeFn }) => setSubscribeFn(masked(subscribeFn)),
  };
}

/** Translates errors to the language of the request. Runs after Yoga's masking, which does not know the request. */
export function useLanguage(): Plugin<GraphContext> {
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
export function useStreamHeaders(): Plugin<GraphContext> {
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
