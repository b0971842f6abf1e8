"""Powertools for AWS Lambda: logger, tracer, metrics, event handlers, batch, parser, idempotency, and the rest that needs no AWS."""

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, LambdaFunctionUrlResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, async_batch_processor, AsyncBatchProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent, event_source
from aws_lambda_powertools.utilities.parser import BaseModel, event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="payment")
tracer = Tracer(service="payment")
metrics = Metrics(namespace="shop", service="payment")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, log_event=True)
def logs(event, context: LambdaContext):
    logger.info("collecting payment", order=7)
    logger.append_keys(customer="é")
    logger.warning({"a": "dict"})
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("caught")
    return {"correlation": logger.get_correlation_id()}


@metrics.log_metrics(capture_cold_start_metric=True)
def counts(event, context):
    metrics.add_dimension(name="stage", value="test")
    metrics.add_metric(name="orders", unit=MetricUnit.Count, value=1)
    return "counted"


@tracer.capture_lambda_handler
def traces(event, context):
    @tracer.capture_method
    def pay(amount):
        tracer.put_annotation(key="amount", value=amount)
        return amount * 2

    return pay(event.get("amount", 21))


app = APIGatewayRestResolver()


@app.get("/hello/<name>")
def hello(name):
    return {"hello": name, "query": app.current_event.get_query_string_value("q", "none"), "id": bool(app.lambda_context.aws_request_id)}


@app.post("/items")
def items():
    return Response(status_code=201, content_type="text/plain", body=str(app.current_event.json_body), headers={"X-A": "b"})


@app.get("/missing")
def missing():
    raise NotFoundError("nothing here")


def rest(event, context):
    return app.resolve(event, context)


url_app = LambdaFunctionUrlResolver(enable_validation=True)


@url_app.get("/double/<number>")
def double(number: int) -> dict:
    return {"double": 2 * number}


def url(event, context):
    return url_app.resolve(event, context)


processor = BatchProcessor(event_type=EventType.SQS)


def handle(record):
    if record.json_body.get("bad"):
        raise ValueError("a bad record")
    return record.message_id


def batch(event, context):
    return process_partial_response(event=event, record_handler=handle, processor=processor, context=context)


async_processor = AsyncBatchProcessor(event_type=EventType.SQS)


async def handle_async(record):
    return handle(record)


@async_batch_processor(record_handler=handle_async, processor=async_processor)
def async_batch(event, context):
    return async_processor.response()


class Order(BaseModel):
    id: int
    items: list[str] = []


@event_parser(model=Order)
def parsed(event: Order, context: LambdaContext):
    return event.model_dump()


@event_source(data_class=APIGatewayProxyEvent)
def data_class(event, context):
    return [event.path, event.http_method, event.headers.get("x-a"), context.function_name]


@lambda_handler_decorator
def middleware(handler, event, context):
    answer = handler(event, context)
    return {**answer, "by": "middleware"}


@middleware
def decorated(event, context):
    return {"function": context.function_name}


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def fails(event, context):
    metrics.add_metric(name="failures", unit=MetricUnit.Count, value=1)
    raise RuntimeError("on purpose")
