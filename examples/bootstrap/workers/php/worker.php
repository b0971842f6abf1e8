<?php
// Speaks the worker protocol for a function in a PHP file.
(function () {
    $events = fopen('php://fd/' . getenv('LAMBWIRE_EVENTS_FD'), 'rb');
    $answers = fopen('php://fd/' . getenv('LAMBWIRE_ANSWERS_FD'), 'wb');
    $id = '-';
    $say = function (string $kind, string $body = '') use ($answers, &$id) {
        fwrite($answers, "$kind $id " . strlen($body) . "\n$body");
    };
    $encode = fn ($value) => json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
        | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR);
    $report = fn (string $type, string $message, array $stack, $kind = 'error') => $say($kind, json_encode(
        ['errorType' => $type, 'errorMessage' => $message, 'stackTrace' => $stack],
        JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE));
    $fail = fn (Throwable $e) => $report(get_class($e), $e->getMessage(),
        [$e->getFile() . ':' . $e->getLine(), ...explode("\n", $e->getTraceAsString())]);

    // A fatal error, such as memory that has run out, leaves nothing to catch. What is kept makes room to tell of it.
    $kept = str_repeat('x', 65536);
    register_shutdown_function(function () use ($report, &$kept) {
        $kept = null;
        $error = error_get_last();
        if ($error && $error['type'] & (E_ERROR | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR)) {
            $type = str_contains($error['message'], 'Allowed memory size') ? 'Runtime.OutOfMemory' : 'FatalError';
            $report($type, $error['message'], ["{$error['file']}:{$error['line']}"], 'fatal');
        }
    });
    try {
        require getenv('LAMBWIRE_FILE');
        $function = str_replace('.', '::', getenv('LAMBWIRE_FUNCTION'));
        if (!is_callable($function)) {
            $report('Runtime.HandlerNotFound', "no function $function in " . getenv('LAMBWIRE_FILE'), []);
            exit(1);
        }
    } catch (Throwable $e) {
        $fail($e);
        exit(1);
    }
    $say('ready');
    for (;;) {
        [, $next, $context_length, $event_length] = explode(' ', fgets($events) ?: exit);
        $context = stream_get_contents($events, (int) $context_length);
        $event = (int) $event_length ? stream_get_contents($events, (int) $event_length) : '';
        $id = $next;
        $context = new ArrayObject(json_decode($context, true), ArrayObject::ARRAY_AS_PROPS);
        $trace = $context['trace_id'];
        putenv('_X_AMZN_TRACE_ID' . ($trace === null ? '' : "=$trace"));
        try {
            $result = $function(json_decode($event, true, 512, JSON_THROW_ON_ERROR), $context);
            if ($result instanceof Generator) {
                foreach ($result as $piece) {
                    is_array($piece) ? $say('prelude', $encode($piece)) : $say('chunk', (string) $piece);
                }
                $say('end');
            } else {
                is_string($result) ? $say('text', $result) : $say('result', $encode($result));
            }
        } catch (Throwable $e) {
            $fail($e);
        }
    }
})();
