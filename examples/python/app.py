def handler(event, context):
    print("answering", context.aws_request_id)
    name = (event.get("queryStringParameters") or {}).get("name", "world")
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain"},
        "body": f"Hello, {name}, from Python!",
    }
