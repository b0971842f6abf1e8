// AWS's SDK for JavaScript against the emulator at ENDPOINT: `node sdk.mjs NODE_MODULES`.

import assert from 'node:assert';
import { createRequire } from 'node:module';

const require = createRequire(`${process.argv[2]}/`);
const { InvokeCommand, InvokeWithResponseStreamCommand, LambdaClient } = require('@aws-sdk/client-lambda');
const client = new LambdaClient({ endpoint: process.env.ENDPOINT, region: 'us-east-1', maxAttempts: 1 });
const text = (bytes) => Buffer.from(bytes).toString();
const invoke = (event, options) =>
    client.send(new InvokeCommand({ FunctionName: 'function', Payload: JSON.stringify(event), ...options }));

let reply = await invoke({ a: 'ü' }, { LogType: 'Tail' });
assert.deepEqual(JSON.parse(text(reply.Payload)), { a: 'ü' });
assert.match(Buffer.from(reply.LogResult, 'base64').toString(), /START RequestId.*REPORT RequestId/s);
reply = await invoke({ fail: 'boom' });
assert.equal(reply.FunctionError, 'Unhandled');
assert.match(text(reply.Payload), /boom/);
assert.equal((await invoke({}, { InvocationType: 'Event' })).StatusCode, 202);
assert.equal((await invoke({}, { InvocationType: 'DryRun' })).StatusCode, 204);

const stream = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: 'function', Payload: '{"a":1}' }));
let got = '';
let isComplete = false;
for await (const event of stream.EventStream) {
    if (event.PayloadChunk) got += text(event.PayloadChunk.Payload);
    if (event.InvokeComplete) isComplete = true;
}
assert.deepEqual(JSON.parse(got), { a: 1 });
assert(isComplete);
const failing = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: 'function', Payload: '{"fail":"boom"}' }));
let end;
for await (const event of failing.EventStream) end = event.InvokeComplete ?? end;
assert.match(end.ErrorDetails, /boom/);
for (const [name, input] of [
    ['InvalidRequestContentException', { Payload: '{' }],
    ['RequestTooLargeException', { Payload: JSON.stringify('x'.repeat(7 * 1024 * 1024)) }],
    ['InvalidParameterValueException', { FunctionName: 'no name', Payload: '{}' }],
]) {
    await assert.rejects(client.send(new InvokeCommand({ FunctionName: 'function', ...input })), { name });
}
