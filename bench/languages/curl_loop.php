<?php
// The loop that articles have for a handler in PHP: one curl handle, which keeps its connection.
[$file, $function] = explode('.', getenv('_HANDLER'));
require getenv('LAMBDA_TASK_ROOT') . "/$file.php";

$invocation = 'http://' . getenv('AWS_LAMBDA_RUNTIME_API') . '/2018-06-01/runtime/invocation';
$curl = curl_init();
$ask = function (string $url, array $options) use ($curl, &$headers) {
    $headers = [];
    curl_reset($curl);
    curl_setopt_array($curl, $options + [
        CURLOPT_URL => $url,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_FAILONERROR => true,
        CURLOPT_HEADERFUNCTION => function ($curl, $line) use (&$headers) {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $headers[strtolower($name)] = trim($value);
            return strlen($line);
        },
    ]);
    $body = curl_exec($curl);
    return $body === false ? throw new RuntimeException(curl_error($curl)) : $body;
};

for (;;) {
    $event = json_decode($ask("$invocation/next", []), true, 512, JSON_THROW_ON_ERROR);
    $id = $headers['lambda-runtime-aws-request-id'];
    $trace = $headers['lambda-runtime-trace-id'] ?? '';
    putenv("_X_AMZN_TRACE_ID=$trace");
    $context = [
        'function_name' => getenv('AWS_LAMBDA_FUNCTION_NAME'),
        'function_version' => getenv('AWS_LAMBDA_FUNCTION_VERSION'),
        'invoked_function_arn' => $headers['lambda-runtime-invoked-function-arn'],
        'memory_limit_in_mb' => getenv('AWS_LAMBDA_FUNCTION_MEMORY_SIZE'),
        'aws_request_id' => $id,
        'deadline_ms' => (int) $headers['lambda-runtime-deadline-ms'],
        'trace_id' => $trace,
    ];
    try {
        [$path, $answer] = ['response', $function($event, $context)];
    } catch (Throwable $e) {
        [$path, $answer] = ['error', ['errorType' => get_class($e), 'errorMessage' => $e->getMessage()]];
    }
    $ask("$invocation/$id/$path", [
        CURLOPT_POSTFIELDS => json_encode($answer, JSON_THROW_ON_ERROR),
        CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
    ]);
}
