export async function handler(event, context) {
    console.log('answering', context.awsRequestId);
    const name = event.queryStringParameters?.name ?? 'world';
    return {
        statusCode: 200,
        headers: { 'Content-Type': 'text/plain' },
        body: `Hello, ${name}, from Node!`,
    };
}
