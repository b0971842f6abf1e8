<?php

function handler($event, $context)
{
    echo json_encode($context), "\n";
    $name = $event['queryStringParameters']['name'] ?? 'world';
    return json_encode([
        'statusCode' => 200,
        'headers' => ['Content-Type' => 'text/plain'],
        'body' => "Hello, $name, from PHP!",
    ]);
}
