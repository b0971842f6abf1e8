-- The kit's function in Lua, for the bootstrap.
if os.getenv('CONFORMANCE_INIT') == 'fail' then error('asked to fail at the start') end

function handler(event, context)
    local order = type(event) == 'table' and event or {}
    if order.stream then
        return coroutine.wrap(function()
            for _, piece in ipairs(order.stream) do coroutine.yield(piece) end
            if order.fail then error(order.fail) end
        end)
    end
    if order.fail then error(order.fail) end
    if order.size then return string.rep('x', order.size - 2) end
    if order.context then
        return { requestId = context.aws_request_id, functionArn = context.invoked_function_arn,
            traceId = os.getenv('_X_AMZN_TRACE_ID') }
    end
    return event
end
