import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { Tracer } from '@aws-lambda-powertools/tracer';
import middy from '@middy/core';

const logger = new Logger({ serviceName: 'libraries' });
const metrics = new Metrics({ namespace: 'libraries', serviceName: 'libraries' });
const tracer = new Tracer({ serviceName: 'libraries' });

export const handler = middy(async (event, context) => {
  logger.info('in a handler', { event });
  metrics.addMetric('calls', MetricUnit.Count, 1);
  metrics.publishStoredMetrics();
  return { root: tracer.getRootXrayTraceId() ?? 'none', id: typeof context.awsRequestId };
}).use(injectLambdaContext(logger));
