def handler(event:, context:)
  puts "answering #{context.aws_request_id}"
  name = event.dig('queryStringParameters', 'name') || 'world'
  {
    statusCode: 200,
    headers: { 'Content-Type' => 'text/plain' },
    body: "Hello, #{name}, from Ruby!"
  }
end
