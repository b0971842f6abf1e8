# The kit's function in Ruby, for the bootstrap and for AWS's runtime.
raise 'asked to fail at the start' if ENV['CONFORMANCE_INIT'] == 'fail'

def handler(event:, context:)
  order = event.is_a?(Hash) ? event : {}
  return pieces(order) if order.key?('stream')
  raise order['fail'] if order.key?('fail')
  return 'x' * (order['size'] - 2) if order.key?('size')
  return described(context) if order.key?('context')

  event
end

def pieces(order)
  Enumerator.new do |stream|
    order['stream'].each { |piece| stream << piece }
    raise order['fail'] if order.key?('fail')
  end
end

def described(context)
  {
    requestId: context.aws_request_id,
    functionArn: context.invoked_function_arn,
    remainingMs: context.get_remaining_time_in_millis.to_i,
    traceId: ENV['_X_AMZN_TRACE_ID']
  }
end
