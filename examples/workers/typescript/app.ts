export function handler(event: unknown, context: { aws_request_id: string }) {
  console.log(`answering ${context.aws_request_id}`);
  return { got: event };
}
