const fastify = require('fastify');
const awsLambdaFastify = require('@fastify/aws-lambda');
const { Readable } = require('stream');

const app = () => {
  const built = fastify();
  built.get('/hello', async (request) => ({ hello: request.query.name, from: 'fastify' }));
  built.post('/echo', async (request, reply) => reply.code(201).send({ got: request.body }));
  built.get('/stream', (request, reply) => reply.type('text/plain').send(Readable.from(['one ', 'two ', 'three'])));
  return built;
};

exports.promised = awsLambdaFastify(app());
const proxy = awsLambdaFastify(app());
exports.callback = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false; proxy(event, context, callback); };
const streamed = awsLambdaFastify(app(), { payloadAsStream: true });
exports.streamed = awslambda.streamifyResponse(async (event, responseStream, context) => {
  const { meta, stream } = await streamed(event, context);
  responseStream = awslambda.HttpResponseStream.from(responseStream, { statusCode: meta.statusCode, headers: { 'content-type': meta.headers['content-type'] } });
  await new Promise((resolve, reject) => stream.on('error', reject).on('end', resolve).pipe(responseStream));
});
