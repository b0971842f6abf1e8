<?php
// The kit's function in PHP, for the bootstrap.

if (getenv('CONFORMANCE_INIT') === 'fail') {
    throw new RuntimeException('asked to fail at the start');
}

function handler($event, $context)
{
    $order = is_array($event) ? $event : [];
    if (isset($order['stream'])) {
        return pieces($order);
    }
    if (isset($order['fail'])) {
        throw new RuntimeException($order['fail']);
    }
    if (isset($order['size'])) {
        return str_repeat('x', $order['size'] - 2);
    }
    if (isset($order['context'])) {
        return [
            'requestId' => $context['aws_request_id'],
            'functionArn' => $context['invoked_function_arn'],
            'traceId' => getenv('_X_AMZN_TRACE_ID'),
        ];
    }
    return $event;
}

function pieces($order)
{
    yield from $order['stream'];
    if (isset($order['fail'])) {
        throw new RuntimeException($order['fail']);
    }
}
