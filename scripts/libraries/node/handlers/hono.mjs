import { Hono } from 'hono';
import { handle, streamHandle } from 'hono/aws-lambda';
import { streamText } from 'hono/streaming';

const app = new Hono();
app.get('/hello', (context) => context.json({ hello: context.req.query('name'), from: 'hono' }));
app.post('/echo', async (context) => context.json({ got: await context.req.json() }, 201));
app.get('/bytes', (context) => context.body(new Uint8Array([0, 255, 1]), 200, { 'content-type': 'image/png' }));
app.get('/id', (context) => context.text(typeof context.env.lambdaContext.awsRequestId));
app.get('/stream', (context) => streamText(context, async (stream) => {
  for (const piece of ['one ', 'two ', 'three']) { await stream.write(piece); await stream.sleep(5); }
}));

export const buffered = handle(app);
export const streamed = streamHandle(app);
