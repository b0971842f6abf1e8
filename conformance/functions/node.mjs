// The kit's function in JavaScript: for aws-lambda-ric, and for the bootstrap.

if (process.env.CONFORMANCE_SIGTERM === 'wait') process.on('SIGTERM', () => process.exit(0));
if (process.env.CONFORMANCE_INIT === 'fail') throw new Error('asked to fail at the start');

export const handler = async (event, context) => {
    const order = event && typeof event === 'object' && !Array.isArray(event) ? event : {};
    if ('stream' in order && !globalThis.awslambda) return pieces(order);
    if ('fail' in order) throw new Error(order.fail);
    if ('size' in order) return 'x'.repeat(order.size - 2);
    if ('context' in order) return described(context);
    return event;
};

// With AWS's runtime a function that streams is of another kind than one that does not.
export const streaming = globalThis.awslambda?.streamifyResponse(async (event, stream, context) => {
    if (!event?.stream) {
        stream.write(JSON.stringify(await handler(event, context)));
        return stream.end();
    }
    for (const piece of event.stream) stream.write(piece);
    if ('fail' in event) throw new Error(event.fail);
    stream.end();
});

async function* pieces(order) {
    yield* order.stream;
    if ('fail' in order) throw new Error(order.fail);
}

function described(context) {
    return {
        requestId: context.awsRequestId,
        functionArn: context.invokedFunctionArn,
        remainingMs: Math.floor(context.getRemainingTimeInMillis()),
        traceId: process.env._X_AMZN_TRACE_ID,
        custom: (context.clientContext?.custom ?? context.clientContext?.Custom),
        cognitoIdentityId: context.identity?.cognitoIdentityId,
        tenantId: context.tenantId,
    };
}
