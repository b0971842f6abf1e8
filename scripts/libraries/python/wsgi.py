"""Flask behind apig-wsgi and serverless-wsgi."""

import serverless_wsgi
from apig_wsgi import make_lambda_handler
from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name):
    context = request.environ.get("apig_wsgi.context") or request.environ.get("serverless.context")
    return jsonify(hello=name, q=request.args.get("q"), function=context.function_name)


@app.post("/items")
def items():
    return jsonify(request.get_json()), 201, {"X-A": "b"}


@app.get("/bytes")
def some_bytes():
    return b"\x00\xff", 200, {"Content-Type": "application/octet-stream"}


@app.get("/fails")
def fails():
    raise RuntimeError("on purpose")


apig = make_lambda_handler(app, binary_support=True)


def serverless(event, context):
    return serverless_wsgi.handle_request(app, event, context)
