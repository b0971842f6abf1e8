import { initTRPC } from '@trpc/server';
import { awsLambdaRequestHandler, awsLambdaStreamingRequestHandler } from '@trpc/server/adapters/aws-lambda';

const t = initTRPC.create();
const router = t.router({
  hello: t.procedure.input((value) => String(value)).query(({ input }) => ({ hello: input, from: 'trpc' })),
  fails: t.procedure.query(() => { throw new RangeError('in a procedure'); }),
});
export const buffered = awsLambdaRequestHandler({ router });
export const streamed = awslambda.streamifyResponse(awsLambdaStreamingRequestHandler({ router }));
