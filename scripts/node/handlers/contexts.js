// What the context tells.
exports.members = async (event, context) => Object.keys(context);
exports.text = async (event, context) => ({ ...context, awsRequestId: context.awsRequestId.length });
exports.types = async (event, context) => Object.fromEntries(Object.keys(context).map((key) => [key, typeof context[key]]));
exports.client_context = async (event, context) => context.clientContext ?? 'none';
exports.identity = async (event, context) => context.identity ?? 'none';
exports.tenant = async (event, context) => [context.tenantId, 'tenantId' in context];
exports.absent = async (event, context) => [context.clientContext === undefined, context.identity === undefined];
exports.missing = async (event, context) => [typeof context.none, 'none' in context];
exports.remaining_time = async (event, context) => {
  const left = context.getRemainingTimeInMillis();
  return [Number.isInteger(left), left > 20000, left <= 30000];
};
exports.trace_id = async () => process.env._X_AMZN_TRACE_ID ?? 'none';
exports.global_request_id = async (event, context) => globalThis[Symbol.for('aws.lambda.runtime.requestId')] === context.awsRequestId;
exports.environment = async () => ['_HANDLER', 'LAMBDA_TASK_ROOT', 'AWS_LAMBDA_FUNCTION_NAME'].map((name) => process.env[name] !== undefined);
exports.working_directory = async () => process.cwd() === __dirname;
exports.scope = async () => [typeof globalThis.require, typeof globalThis.module, typeof globalThis.fs, typeof globalThis.path,
  require.main === module, Array.isArray(process.execArgv)];
exports.awslambda = async () => [typeof awslambda.streamifyResponse, typeof awslambda.HttpResponseStream.from];
exports.store = async (event, context) => awslambda.InvokeStore?.getRequestId() === context.awsRequestId;
exports.shared_names = async (event, context) => [context.function_name, context.aws_request_id === context.awsRequestId];
