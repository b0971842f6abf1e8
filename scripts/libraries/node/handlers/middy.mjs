import middy from '@middy/core';
import jsonBodyParser from '@middy/http-json-body-parser';
import { Readable } from 'node:stream';

const seen = { before: (request) => { request.event.seen = true; }, onError: (request) => { request.response = { statusCode: 500, body: request.error.message }; } };

export const buffered = middy().use(jsonBodyParser({ disableContentTypeError: true })).use(seen).handler(async (event, context, { signal }) => {
  if (event.rawPath === '/fails') throw new RangeError('in a handler');
  return { statusCode: 200, body: JSON.stringify({ seen: event.seen, got: event.body ?? null, signal: signal?.aborted ?? null, id: typeof context.awsRequestId }) };
});
export const streamed = middy({ streamifyResponse: true }).use(seen).handler(async (event) => ({
  statusCode: 200, headers: { 'content-type': 'text/plain' }, body: Readable.from(['one ', 'two ', String(event.seen)]),
}));
