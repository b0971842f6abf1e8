const xray = require('aws-xray-sdk-core');

exports.handler = async () => xray.captureAsyncFunc('part', async (segment) => {
  segment.addAnnotation('a', 1);
  segment.close();
  return { name: segment.name, trace: xray.getSegment().trace_id ?? null };
});
