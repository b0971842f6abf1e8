# Speaks the worker protocol for a function in a Python file.
import functools, importlib.util, inspect, json, os, sys, time, traceback, types

class Context(types.SimpleNamespace):
    __getitem__ = getattr
    def get_remaining_time_in_millis(self):
        return max(0, (self.deadline_ms or 0) - int(time.time() * 1000))
encode = functools.partial(json.dumps, allow_nan=False, separators=(",", ":"))

request_id = b"-"
def say(answers, kind, body=b""):
    body = body.encode() if isinstance(body, str) else body
    answers.write(b"%s %s %d\n%s" % (kind, request_id, len(body), body))
    answers.flush()
def report(say, kind, message, stack):
    say(b"error", json.dumps({"errorType": kind, "errorMessage": message, "stackTrace": stack}))

def fail(say, error):
    calls = reversed(traceback.extract_tb(error.__traceback__))
    stack = [f"{error.filename}:{error.lineno}"] if isinstance(error, SyntaxError) else []
    stack += [f"{at.filename}:{at.lineno} in {at.name}" for at in calls if not at.filename.startswith("<")]
    report(say, type(error).__name__, str(error), stack)

def load(say, file, name):
    sys.path[:0] = [os.getcwd(), os.path.dirname(file)]
    module_name = os.path.splitext(os.path.relpath(file))[0].replace("/", ".")
    spec = importlib.util.spec_from_file_location(module_name, file)
    sys.modules[module_name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        return functools.reduce(getattr, name.split("."), module)
    except AttributeError:
        report(say, "Runtime.HandlerNotFound", f"no function {name} in {file}", [])
        sys.exit(1)

def answer(say, handler, event, context):
    os.environ.pop("_X_AMZN_TRACE_ID", None)
    if context.trace_id is not None:
        os.environ["_X_AMZN_TRACE_ID"] = context.trace_id
    result = handler(json.loads(event), context)
    if inspect.iscoroutine(result):
        result = __import__("asyncio").run(result)
    if inspect.isgenerator(result):
        for piece in result:
            say(b"prelude", encode(piece)) if isinstance(piece, dict) else say(b"chunk", piece)
        say(b"end")
    else:
        say(b"text", result) if isinstance(result, (str, bytes)) else say(b"result", encode(result))

events, answers = (os.fdopen(int(os.environ[f"LAMBWIRE_{end}_FD"]), mode) for end, mode in (("EVENTS", "rb"), ("ANSWERS", "wb")))
sys.stdout.reconfigure(line_buffering=True)
say = functools.partial(say, answers)
try:
    handler = load(say, os.environ["LAMBWIRE_FILE"], os.environ["LAMBWIRE_FUNCTION"])
    say(b"ready")
    while True:
        _, request_id, *lengths = (events.readline() or sys.exit()).split()
        context, event = (events.read(int(length)) for length in lengths)
        context = json.loads(context, object_hook=lambda fields: Context(**fields))
        try: answer(say, handler, event, context)
        except Exception as error: fail(say, error)
except Exception as error: fail(say, error)
