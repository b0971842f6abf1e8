# The loop for what is `async`. A part of worker.py, which has it compiled when a handler is.


def run(awaitable):
    """Runs it in the one loop that is kept, with all that is bound to it, from one event to the next."""
    global loop, asyncio
    if loop is None or loop.is_closed():
        import asyncio

        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.call_exception_handler = lambda context, told=loop.call_exception_handler: told(of_no_signal(context))
    return loop.run_until_complete(awaitable)


def of_no_signal(context):
    """Raises what a signal's handler has raised. The loop catches that, too, and may have lost what it was about to call."""
    at = "handle" in context and context["exception"].__traceback__
    while at:
        if at.tb_frame.f_code in map(code_of, map(_signal.getsignal, range(1, _signal.NSIG))):
            raise context["exception"]
        at = at.tb_next
    return context


async def run_handler(handler, request_id, frame):
    """What ends its answer. It catches nothing: tasks that are left when the interpreter ends are thrown errors, too."""
    result = handler(*prepared(request_id, frame))
    result = (await result) if hasattr(type(result), "__await__") else result
    if hasattr(type(result), "__anext__"):
        return await stream_async(request_id, result)
    return whole_or_stream(request_id, result)


def finish_task(request_id, task):
    """Ends the answer of a task. The loop calls this, and no more once somebody has ended it by `sys.exit`."""
    try:
        kind, body = task.result()
    except BaseException as error:
        kind, body = b"error", report(error)
    finish(request_id, kind, body)


async def stream_async(request_id, pieces):
    number = 0
    async for piece in pieces:
        write_piece(request_id, number, piece)
        number += 1
    return b"end", b""


async def serve_concurrently(handler):
    tasks, known = set(), set()

    def forget(task):
        nonlocal known
        tasks.discard(task)
        # What is left running belongs to an event.
        known = tasks_of_loop() if handles_sigterm() else known

    while True:
        if not unread:
            await wait_for_event()
        frame = read_frame()
        if frame is None:
            return await wait_for_tasks(known) if handles_sigterm() else None
        kind, request_id = frame[:2]
        if kind != b"event":
            run_hooks(kind)
            continue
        task = loop.create_task(run_handler(handler, request_id, frame))
        task.add_done_callback(lambda task, request_id=request_id: finish_task(request_id, task))
        # The loop itself keeps no task from being collected.
        tasks.add(task)
        task.add_done_callback(forget)


async def wait_for_event():
    while True:
        there = loop.create_future()
        loop.add_reader(EVENTS, lambda: there.done() or there.set_result(None))
        try:
            return await there
        except asyncio.CancelledError:
            # Whoever cancels all tasks does not mean this one.
            pass
        finally:
            loop.remove_reader(EVENTS)


# In how many turns of the loop a signal that has come is seen, its handler called, and a task of that begun.
SIGNAL_TURNS = 6


async def wait_for_tasks(known):
    """What the loop's handler of SIGTERM has begun may end: tasks that there were not before the events ended."""
    for _ in range(SIGNAL_TURNS):
        await asyncio.sleep(0)
    own = asyncio.current_task()
    begun = tasks_of_loop() - known - {own}
    if begun:
        await asyncio.wait(begun)


def tasks_of_loop():
    return asyncio.all_tasks(loop)
