# Calls a handler in Python for one event after another, by the worker protocol (docs/worker-protocol.md). A handler finds
# here what AWS's own client, awslambdaric, gives it; docs/languages/python.md says where the two differ.
#
# A handler may change whatever it can reach: builtins, `sys.stdout`, functions of `os`, `sys.path`, `sys.modules`. So what
# is used once it is loaded is bound here, under names of this file. And imports are most of a start, and compiling this
# is much of the rest: what is imported here is in the interpreter already or is written in C, what many handlers do
# without is in files beside this one, and both wait until somebody needs them.
import _signal, _thread, builtins, marshal, os, sys, time
from _codecs import utf_8_decode
from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner
from os import _exit, close, getcwd, getpid, putenv, read, readv, set_blocking, write, writev
from sys import getrecursionlimit, setrecursionlimit

ours, environ, modules, stdout = globals(), os.environ, sys.modules, sys.__stdout__
ours.update((name, value) for name, value in vars(builtins).items() if name[0] != "_")
clock, gmtime, strftime, marshalled = time.time, time.gmtime, time.strftime, marshal.dumps

# The first read of an event, in bytes: what a pipe holds (pipe(7)), which is all of most events.
READ_BYTES = 65536
# glibc has the kernel take free memory away, and give it anew page by page, where there is more of it than twice the largest
# piece that was ever freed (mallopt(3), M_MMAP_THRESHOLD). With one of so many bytes, what events of 1 MiB need stays.
LARGE_BYTES = 4 * 1024 * 1024
# Most bytes of a piece of a stream in one frame: there is a largest frame, but no largest piece.
PIECE_BYTES = 1024 * 1024
# Least recursion that this file needs, of whatever a handler has set, in calls.
LEAST_RECURSION = 200
# How often the same line of a stack is listed in a row, as `traceback` has it.
SAME_LINES = 3
# Of a stack, as many calls are reported from each end.
STACK_CALLS = 500
# Most causes of an error in its report.
CAUSES = 8
# Texts from this length on are looked at before they are escaped, in characters.
LONG_TEXT = 4096
# Flags of the code of `async def`, without and with `yield` in it (`inspect.CO_COROUTINE`, `CO_ASYNC_GENERATOR`).
ASYNC_FLAGS = 0x80 | 0x200
# As a number: to look for bytes in bytes makes an error each time.
BACKSLASH = 92
# Where AWS's tracing libraries look for the trace that they belong to.
TRACE_ID = b"_X_AMZN_TRACE_ID"
# Where AWS's client does not write characters beyond ASCII as \u escapes.
UNICODE_ENVIRONMENTS = ["AWS_Lambda_python3.%d" % minor for minor in range(12, 16)]

EVENTS, ANSWERS = (int(environ.pop("LAMBWIRE_%s_FD" % end)) for end in ("EVENTS", "ANSWERS"))
FILE, FUNCTION, CONCURRENCY = (environ.pop("LAMBWIRE_" + name, "") for name in ("FILE", "FUNCTION", "CONCURRENCY"))
# Where each record of the log is a frame, if Lambda has it so.
RECORDS = int(environ.pop("_LAMBDA_TELEMETRY_LOG_FD", 0))
PID, STDERR = getpid(), 2
Generator = type(_ for _ in ())

compiling = _thread.RLock()


def need(part):
    """Has the names of another file be names of this one. The build has put the texts of those files into `PARTS`."""
    if part in PARTS:
        with compiling:
            if part in PARTS:
                exec(PARTS[part], ours)
                del PARTS[part]


# --- Context ---

# The end of the line of a context in which there is nothing that a caller has written.
NOTHING_SENT_ALONG = b'"identity":null,"client_context":null}\n'


class Members:
    """Lets members be looked up by subscripts, too."""

    __slots__ = ()

    def __getitem__(self, name):
        if name in self:
            return getattr(self, name)
        raise KeyError(name)

    def __contains__(self, name):
        return isinstance(name, str) and hasattr(self, name)

    def __repr__(self):
        return "%s([%s])" % (type(self).__name__, ",".join("%s=%s" % (name, getattr(self, name)) for name in self.TOLD))


class LambdaContext(Members):
    """Reads what it was given, a line of JSON, when it is looked into: that takes longer than the rest of an invocation."""

    __slots__ = ("_fields",)
    TOLD = """aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version
    invoked_function_arn client_context identity tenant_id""".split()

    def __getattr__(self, name):
        fields = members_of(self)
        if name in fields:
            return fields[name]
        raise AttributeError("'LambdaContext' object has no attribute '%s'" % name)

    def __setattr__(self, name, value):
        members_of(self)[name] = value

    def __delattr__(self, name):
        if members_of(self).pop(name, self) is self:
            raise AttributeError(name)

    def __reduce__(self):
        return new, (LambdaContext,), members_of(self)

    def __setstate__(self, fields):
        set_fields(self, fields)

    __dict__ = property(lambda self: members_of(self))

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(clock() * 1000))

    def w3c(self):
        return dict(self._w3c_fields)

    def log(self, message):
        write_record(str(message))


new, set_fields = object.__new__, LambdaContext._fields.__set__


def members_of(context):
    fields = context._fields
    if not isinstance(fields, dict):
        need("context")
        fields = read_context(fields)
        set_fields(context, fields)
    return fields


# --- Frames ---

unread = b""
is_torn, is_large = False, False


def read_frame():
    """The kind, the id, the context and the body of the next frame; None where there is none any more."""
    global unread
    data, start = unread, unread and unread.find(b"\n") + 1
    while not start:
        try:
            piece = read(EVENTS, READ_BYTES)
        except BlockingIOError:
            set_blocking(EVENTS, True)
            continue
        if not piece:
            return None
        data += piece
        start = data.find(b"\n") + 1
    kind, request_id, context_len, body_len = data[:start].split()
    context_end = start + int(context_len)
    end = context_end + int(body_len)
    line = data[start:context_end]
    if len(data) < end:
        data = read_rest(data, end)
        line = bytes(data[start:context_end])
    if unread or len(data) > end:
        unread = bytes(data[end:])
    return [kind, request_id, line, data[context_end:end]]


def read_rest(data, end):
    global is_large
    if not is_large:
        is_large = True
        bytes(LARGE_BYTES)
    whole = memoryview(bytearray(end))
    have = len(data)
    whole[:have] = data
    while have < end:
        count = waiting(readv, EVENTS, [whole[have:]])
        if not count:
            raise EOFError("the events end within one")
        have += count
    return whole


def end_child(kind, body):
    """A child that the handler has forked has come out of it: the answer is its parent's to give."""
    is_error = kind == b"error"
    if is_error:
        write(STDERR, b"in a process that the handler has forked: %s\n" % body)
    _exit(is_error)


def waiting(call, pipe, what):
    """Reads or writes, and has the pipe wait again if a handler has had all descriptors wait for nothing."""
    while True:
        try:
            return call(pipe, what)
        except BlockingIOError:
            set_blocking(pipe, True)


def write_frame(kind, request_id, body=b""):
    global is_torn
    if getpid() != PID:
        end_child(kind, body)
    head = b"%s %s %d\n" % (kind, request_id, len(body))
    try:
        written = writev(ANSWERS, (head, body))
        if written < len(head) + len(body):
            # A signal came meanwhile.
            rest = memoryview(head + body)[written:]
            while rest:
                rest = rest[waiting(write, ANSWERS, rest) :]
    except BlockingIOError:
        set_blocking(ANSWERS, True)
        write_frame(kind, request_id, body)
    except BaseException:
        # What a handler left behind, such as a timer, may raise in between, and nobody knows what was written by then.
        is_torn = True
        raise


# --- JSON ---


class Decoding:
    strict, object_hook, object_pairs_hook, parse_float, parse_int = True, None, None, float, int

    @staticmethod
    def parse_constant(name):
        raise ValueError("%s is no JSON" % name)


BLANK = " \t\n\r"
BLANK_OR_MARK = "\ufeff" + BLANK
# Characters of ASCII that have to be escaped, or are by AWS's client; the likely ones first.
ESCAPED = ['"', "\\", "\n", *map(chr, range(32)), "\x7f"]
scan = make_scanner(Decoding)
encode_text = encode_basestring if environ.get("AWS_EXECUTION_ENV") in UNICODE_ENVIRONMENTS else encode_basestring_ascii


def decode(data):
    text, _ = utf_8_decode(data, None, True)
    # It may be large, and memory that has just been used is quicker than other.
    del data
    start = len(text) - len(text.lstrip(BLANK_OR_MARK))
    try:
        try:
            value, end = scan(text, start)
        except SystemError:
            value, end = scan_again(text, start)
    except StopIteration as stop:
        raise ValueError("Expecting value: " + place(text, stop.value)) from None
    rest = end < len(text) and text[end:].lstrip(BLANK)
    if rest:
        raise ValueError("Extra data: " + place(text, len(text) - len(rest)))
    return value


def scan_again(text, start):
    """What is no JSON, for an error: up to Python 3.11 there is none as long as nobody has loaded the module of its type."""
    try:
        import json.decoder
    except Exception:
        raise ValueError("Expecting JSON") from None
    return scan(text, start)


def place(text, at):
    return "line %d column %d (char %d)" % (text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at), at)


def encoder(encode_text, default, markers=None):
    encode = make_encoder(markers, default, encode_text, None, ": ", ", ", False, False, True)
    return lambda value: "".join(encode(value, 0))


def refuse(value):
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


containers = {}
encode_plain = encoder(encode_text, refuse, containers)
encode_ascii = encoder(encode_basestring_ascii, str)
encode_long = encoder(lambda text: quoted(text), refuse, containers)
# Whether the last result was long: mostly, the next is, too.
is_long = False


def encode(value):
    """What AWS's client makes of a result, which writes JSON with simplejson."""
    global is_long
    try:
        text = encode_long(value) if is_long and has_long_text(value) else encode_plain(value)
        if is_long != (len(text) >= LONG_TEXT):
            is_long = not is_long
        # The encoder takes a named tuple for any other.
        if "[" not in text or is_plain(value):
            return text
    except TypeError:
        pass
    finally:
        containers.clear()
    need("values")
    return encode_rich(enriched(value))


def has_long_text(value):
    """As answers of HTTP have it. To look deeper takes longer than it saves."""
    if type(value) is dict and len(value) <= 16:
        for each in value.values():
            if type(each) is str and len(each) >= LONG_TEXT:
                return True
    return type(value) is str and len(value) >= LONG_TEXT


def quoted(text):
    """What `encode_text` makes of it, in a third of the time if there is nothing to be escaped, as in base64."""
    if len(text) < LONG_TEXT or not text.isascii():
        return encode_text(text)
    for each in ESCAPED:
        if each in text:
            return encode_text(text)
    # `%` takes longer than all the rest.
    return "".join(('"', text, '"'))


def is_plain(value):
    """Whether there is none but Python's own types in it, which are all that `marshal` takes."""
    try:
        return bool(marshalled(value, 2))
    except ValueError:
        return False


# --- Reports ---


class Fault(Exception):
    """An error that AWS's client has a name for."""

    def __init__(self, error_type, message, stack=()):
        Exception.__init__(self, message)
        self.error_type, self.stack = error_type, stack


name_of = type.__dict__["__name__"].__get__


def report(error):
    return encode_ascii(described(error, CAUSES)).encode()


def described(error, causes):
    if type(error) is Fault:
        return {"errorType": error.error_type, "errorMessage": str(error), "stackTrace": error.stack}
    entry = {"errorType": name_of(type(error)), "errorMessage": "its text cannot be had", "stackTrace": []}
    # Each may be what a handler has made of it, and fail.
    try:
        entry["errorMessage"] = str(error)
    except BaseException:
        pass
    try:
        entry["stackTrace"] = stack(error.__traceback__)
        cause = error.__cause__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
        if cause is not None and causes:
            entry["cause"] = described(cause, causes - 1)
    except BaseException:
        pass
    return entry


def stack(at):
    """The calls down to the error, as `traceback` writes them: from the first that is the handler's, and none of ours."""
    calls, files = [], {}
    while at is not None:
        code, names = at.tb_frame.f_code, at.tb_frame.f_globals
        if names is not ours and (calls or not is_on_the_way(code, names)):
            calls.append((code.co_filename, at.tb_lineno, code.co_name, names))
        at = at.tb_next
    del calls[STACK_CALLS:-STACK_CALLS]
    lines, before, same = [], None, 0
    for call in [*calls, None]:
        if call and call[:3] == before:
            same += 1
        else:
            if same > SAME_LINES:
                more = same - SAME_LINES
                lines.append("  [Previous line repeated %d more time%s]\n" % (more, "s" if more > 1 else ""))
            before, same = call and call[:3], 1
        if call and same <= SAME_LINES:
            source = source_line(files, *call)
            lines.append('  File "%s", line %s, in %s\n%s' % (*call[:3], source and "    %s\n" % source))
    return lines


def is_on_the_way(code, names):
    return code.co_filename.startswith("<frozen importlib") or str(names.get("__name__")).startswith("asyncio.")


def source_line(files, file, line, _, names):
    if file not in files:
        files[file] = [] if file.startswith("<") else source_lines(file, names)
    return files[file][line - 1].strip() if line and line <= len(files[file]) else ""


def source_lines(file, names):
    try:
        with open(file, "rb") as source:
            return source.read().decode(errors="replace").splitlines()
    except Exception:
        pass
    try:
        # A module in an archive.
        return names["__loader__"].get_source(names["__name__"]).splitlines()
    except Exception:
        return []


# --- Loading ---


def load():
    """The handler, imported as AWS's client does: by its name in the task root, which is first in `sys.path`."""
    # One in an installed package has a name.
    root, path = getcwd(), os.path.relpath(FILE) if FILE[:1] == "/" else FILE + ".py"
    if path.startswith("../"):
        root, path = os.path.split(FILE)
    if sys.path[:1] == [""]:
        del sys.path[0]
    sys.path.insert(0, root)
    name = path[: -len(".py")].replace("/", ".")
    name = name[: -len(".__init__")] if name.endswith(".__init__") else name
    if name.split(".")[0] in sys.builtin_module_names:
        message = "Cannot use built-in module %s as a handler module" % name
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        __import__(name)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (name, error))
    except SyntaxError as error:
        place = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (name, error), [place])
    handler = modules[name]
    for part in FUNCTION.split("."):
        try:
            handler = getattr(handler, part)
        except AttributeError:
            raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (FUNCTION, name))
    return handler


def ready(handler):
    global is_raw
    asked = {}
    if environ.get("LAMBWIRE_BYTES"):
        asked["bytes"] = is_raw = True
    # 0 and 1 are to let the process end, and to ignore it.
    if handles_sigterm():
        asked["sigterm"] = True
    if CONCURRENCY and getattr(code_of(handler), "co_flags", 0) & ASYNC_FLAGS:
        asked["concurrency"] = int(CONCURRENCY)
    if any(hooks()):
        asked["snapshot"] = True
    return asked


def code_of(handler):
    """The code of what is called, if that is Python's."""
    while hasattr(handler, "func"):
        handler = handler.func
    return getattr(handler, "__code__", None) or getattr(getattr(type(handler), "__call__", None), "__code__", None)


# --- Invocations ---

loop = None
# What most results are, of which none is waited for.
PLAIN = dict, str, list
# Whether events are handed over as bytes.
is_raw = False
# The request and its context, for the log: a task has its own, and a thread sees the latest.
latest = None
if CONCURRENCY:
    from _contextvars import ContextVar

    own = ContextVar("invocation", default=None)


def answer(handler, request_id, frame):
    try:
        result = handler(*prepared(request_id, frame))
        # To look for members that are not there makes an error each time, until Python 3.11.
        kind, body = whole(result) if type(result) in PLAIN else awaited(request_id, result)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        kind, body = b"error", report(error)
    finish(request_id, kind, body)


def awaited(request_id, result):
    """What ends the answer, which may have to be waited for, or come in pieces."""
    if hasattr(type(result), "__await__"):
        need("tasks")
        result = run(result)
    if hasattr(type(result), "__anext__"):
        need("tasks")
        return run(stream_async(request_id, result))
    return whole_or_stream(request_id, result)


def prepared(request_id, frame):
    """The event and its context. Takes the body out of the frame, which is not to be kept."""
    global latest
    line = frame[2]
    context = new(LambdaContext)
    set_fields(context, line)
    if not line.endswith(NOTHING_SENT_ALONG):
        members_of(context)
    latest = request_id, context
    if CONCURRENCY:
        own.set(latest)
    _, is_traced, rest = line.partition(b',"trace_id":"')
    try:
        if is_traced and not CONCURRENCY:
            trace_id, _, _ = rest.partition(b'"')
            if BACKSLASH in trace_id:
                trace_id = context.trace_id.encode()
            # What `environ` does, without making texts of bytes and bytes of texts.
            putenv(TRACE_ID, trace_id)
            environ._data[TRACE_ID] = trace_id
        else:
            environ.pop("_X_AMZN_TRACE_ID", None)
    except Exception:
        # Somebody has spoilt it, who will not look for a trace there.
        pass
    try:
        return bytes(frame.pop()) if is_raw else decode(frame.pop()), context
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)


def whole_or_stream(request_id, result):
    if type(result) is Generator:
        for number, piece in enumerate(result):
            write_piece(request_id, number, piece)
        return b"end", b""
    if isinstance(result, bytes):
        return b"bytes", result
    return whole(result)


def whole(result):
    try:
        return b"bytes", encode(result).encode()
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def write_piece(request_id, number, piece):
    if isinstance(piece, dict) and number == 0:
        write_frame(b"prelude", request_id, encode(piece).encode())
    elif isinstance(piece, str):
        write_chunks(request_id, piece.encode())
    elif isinstance(piece, (bytes, bytearray, memoryview)):
        write_chunks(request_id, bytes(piece))
    else:
        kind = type(piece).__name__
        raise TypeError("a stream is of str and bytes, after a dict if that comes first; its piece %d is of type %s" % (number, kind))


def write_chunks(request_id, piece):
    for at in range(0, len(piece) or 1, PIECE_BYTES):
        write_frame(b"chunk", request_id, piece[at : at + PIECE_BYTES])


def finish(request_id, kind, body):
    if getrecursionlimit() < LEAST_RECURSION:
        setrecursionlimit(LEAST_RECURSION)
    try:
        # What was printed without an end of line belongs to this invocation, too.
        stdout.flush()
    except Exception:
        pass
    write_frame(kind, request_id, body)


# --- Logging ---

# What a frame begins with, of text and of JSON, where no level is said.
TEXT_RECORD, JSON_RECORD = 0xA55A0003, 0xA55A0002


def write_record(text, kind=TEXT_RECORD):
    if not RECORDS:
        return sys.stdout.write(text)
    data = text.encode()
    rest = b"".join(number.to_bytes(size, "big") for number, size in ((kind, 4), (len(data), 4), (int(clock() * 1e6), 8))) + data
    while rest:
        rest = rest[waiting(write, RECORDS, rest) :]


class SetUpLogging:
    """Sets the root logger up as soon as somebody imports `logging`: a finder of modules, first in `sys.meta_path`."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self.execute = spec.loader.exec_module
                spec.loader.exec_module = self.exec_module
                return spec

    def exec_module(self, module):
        self.execute(module)
        if hasattr(module, "getLogger"):
            need("logs")
            set_up_logging(module)


# --- Hooks ---


def hooks():
    """What was registered by AWS's package for that: to be run before a snapshot, and after it was restored."""
    package = modules.get("snapshot_restore_py")
    return (package.get_before_snapshot(), package.get_after_restore()) if package else ([], [])


def run_hooks(kind):
    try:
        before, after = hooks()
        if kind == b"before-snapshot":
            while before:
                function, arguments, named = before.pop()
                function(*arguments, **named)
        else:
            if "random" in modules:
                # Or else every environment that starts from this snapshot would draw the same numbers.
                modules["random"].seed()
            for function, arguments, named in after:
                function(*arguments, **named)
    except BaseException as error:
        return finish(b"-", b"error", report(error))
    finish(b"-", b"done", b"")


# --- Main loop ---

# The event that is answered, if it is one at a time.
current = [b"-"]


def serve(handler):
    known = None
    while True:
        if loop is not None and not unread:
            # Signals and tasks that belong to the loop have their turn while there is no event.
            known = tasks_of_loop() if handles_sigterm() else None
            run(wait_for_event())
        frame = read_frame()
        if frame is None:
            return None if known is None else run(wait_for_tasks(known))
        if frame[0] == b"event":
            current[0] = frame[1]
            answer(handler, frame[1], frame)
            current[0] = b"-"
        else:
            run_hooks(frame[0])


def handles_sigterm():
    return callable(_signal.getsignal(_signal.SIGTERM))


def forget_descriptors():
    """For a child: what it writes to them would be taken for an answer."""
    for descriptor in (EVENTS, ANSWERS):
        close(descriptor)


def main():
    for descriptor in (EVENTS, ANSWERS, RECORDS or ANSWERS):
        os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=forget_descriptors)
    stdout.reconfigure(line_buffering=True)
    if "logging" in modules:
        need("logs")
        set_up_logging(modules["logging"])
    else:
        sys.meta_path.insert(0, SetUpLogging())
    try:
        handler = load()
    except Exception as error:
        write_frame(b"fatal", b"-", report(error))
        sys.exit(1)
    asked = ready(handler)
    write_frame(b"ready", b"-", encode_ascii(asked).encode() if asked else b"")
    try:
        if "concurrency" in asked:
            need("tasks")
            run(serve_concurrently(handler))
        else:
            serve(handler)
    except Exception as error:
        # Of a signal's handler, between two invocations or within what this file does for one.
        if is_torn:
            raise
        finish(current[0], b"fatal", report(error))
        _exit(1)


main()
