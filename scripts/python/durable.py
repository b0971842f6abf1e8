"""A durable function: a step, a wait, a step that fails at first, a callback, and a step that takes so many seconds."""

import time

from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.execution import durable_execution
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

AGAIN = create_retry_strategy(RetryStrategyConfig(max_attempts=3, initial_delay=Duration.from_seconds(1)))
attempts = []


def flaky(_):
    attempts.append(len(attempts))
    if len(attempts) == 1:
        raise RuntimeError("not yet")
    return len(attempts)


@durable_execution
def handler(event, context):
    added = context.step(lambda _: event["a"] + 2, name="add")
    context.wait(Duration.from_seconds(2), name="rest")
    tried = context.step(flaky, name="flaky", config=StepConfig(retry_strategy=AGAIN))
    callback = context.create_callback(name="approval")
    context.step(lambda _: print(f"callback {callback.callback_id}", flush=True), name="ask")
    approved = callback.result()
    seconds = event["seconds"]
    context.step(lambda _: time.sleep(seconds), name="long")
    return {"added": added, "tried": tried, "approved": approved}
