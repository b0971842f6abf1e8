"""Runs handlers in every language on AWS's emulator and on ours: `test_languages.py RIE EMULATOR BOOTSTRAP`."""

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from base64 import b64encode

from emulated import INVOKE, Server
from test_rie import Rie, check
from test_workers import HANDLERS as COMMON
from worker_pipes import LANGUAGES, LIMIT, SIZES

QUERY = '{"queryStringParameters":{"foo":"bar"}}'
QUERY_ANSWER = {"statusCode": 200, "body": 'queryStringParameters, {"foo":"bar"}'}
# Examples that need the bootstrap and an interpreter alone.
EXAMPLES = ["node", "perl", "php", "python", "ruby", "sh"]
CONTEXT_KEYS = """function_name function_version invoked_function_arn memory_limit_in_mb aws_request_id log_group_name
log_stream_name deadline_ms trace_id x_amzn_trace_id identity client_context""".split()

# In each file: `query` logs its context and returns a string of JSON, `hello` returns an object, `context` its context,
# `stream` answers in pieces, and `fault` does what the event says.
HANDLERS = {
    "php.php": r"""<?php
function query($event, $context) {
    echo json_encode($context), "\n";
    return json_encode(['statusCode' => 200, 'body' => 'queryStringParameters, ' . json_encode($event['queryStringParameters'])]);
}
function hello() { return ['hello' => 'lambda']; }
function context($event, $context) { return $context; }
function stream() { yield ['statusCode' => 201]; yield 'a'; yield 'é'; }
function deep($n) { return deep($n + 1) + 1; }
function fault($event) {
    switch ($event['do']) {
    case 'throw': throw new DomainException('on purpose');
    case 'type': return strlen([]);
    case 'undefined': return no_such_function();
    case 'exit': exit(3);
    case 'memory': ini_set('memory_limit', '32M'); return str_repeat('x', 1 << 30);
    case 'unsayable': return ["\xff"];
    case 'signal': posix_kill(getmypid(), 11); sleep(10);
    case 'user': trigger_error('given up', E_USER_ERROR);
    case 'stream': return (function () { yield 'a'; throw new LogicException('half way'); })();
    case 'large': return str_repeat('x', 7 << 20);
    }
    return 'well';
}
""",
    "perl.pl": r"""use strict; use warnings; use JSON::PP;
sub query {
    my ($event, $context) = @_;
    print JSON::PP->new->encode({%$context}), "\n";
    my $query = JSON::PP->new->encode($event->{queryStringParameters});
    return JSON::PP->new->encode({ statusCode => 200, body => "queryStringParameters, $query" });
}
sub hello { my $payload = shift; return +{"hello" => "lambda"}; }
sub context { return { %{$_[1]} } }
sub stream { return sub { my $write = shift; $write->({ statusCode => 201 }); $write->('a'); $write->("\x{e9}\x{100}" =~ s/\x{100}//r) } }
sub fault {
    my $do = shift->{do};
    die "on purpose\n" if $do eq 'die';
    die { code => 7 } if $do eq 'hash';
    die bless {}, 'My::Error' if $do eq 'object';
    return no_such_function() if $do eq 'undefined';
    return 1 / ($do eq 'divide' ? 0 : 1) if $do eq 'divide';
    exit 3 if $do eq 'exit';
    return sub {} if $do eq 'nothing';
    return { code => sub {} } if $do eq 'unsayable';
    kill 6, $$ if $do eq 'signal';
    return sub { $_[0]->('a'); die "half way\n" } if $do eq 'stream';
    return 'well';
}
my $kept;
my %looks = (
    environment => sub { my $id = $ENV{_X_AMZN_TRACE_ID} // 'none'; utf8::decode($id); $id },
    method => sub { $_[0]->trace_id },
    element => sub { $_[0]{trace_id} },
    slice => sub { my ($id) = @{$_[0]}{qw(trace_id nothing)}; $id },
    keys => sub { my ($key) = grep { $_ eq 'trace_id' } keys %{$_[0]}; $_[0]{$key} },
    each => sub { while (my ($key, $value) = each %{$_[0]}) { return $value if $key eq 'trace_id' } },
    copy => sub { my %copy = %{$_[0]}; $copy{trace_id} },
    exists => sub { exists $_[0]{trace_id} && !exists $_[0]{nothing} ? $_[0]{trace_id} : 'not there' },
    delete => sub { delete $_[0]{trace_id} },
    written => sub { $_[0]{mine}{id} = $_[0]{trace_id}; $_[0]{mine}{id} },
    json => sub { JSON::PP->new->decode(JSON::PP->new->convert_blessed->encode($_[0]))->{trace_id} },
    kept => sub { my $id = $kept->{trace_id}; undef $kept; $id },
);
sub look {
    my ($event, $context) = @_;
    $kept //= $context;
    return $looks{$event->{look}}->($context);
}
sub whole { return $_[1] }
1;
""",
    "python.py": r"""import fcntl, json, os, resource, sys
def query(event, context):
    print(context)
    query = json.dumps(event["queryStringParameters"], separators=(",", ":"))
    return {"statusCode": 200, "body": "queryStringParameters, " + query}
def hello(event, context): return {"hello": "lambda"}
def context(event, context): return {**vars(context), "identity": str(context.identity)}
def stream(event, context):
    yield {"statusCode": 201}
    yield "a"
    yield "é".encode()
def deep(n): return deep(n + 1)
def opens_for_writing(fd): return os.path.exists(f"/proc/self/fd/{fd}") and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY
def half():
    yield "a"
    raise LookupError("half way")
def fault(event, context):
    match event["do"]:
        case "raise": raise ValueError("on purpose")
        case "key": return event["none"]
        case "deep": return deep(0)
        case "exit": sys.exit(3)
        case "hard exit": os._exit(4)
        case "memory":
            resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
            return "x" * (1 << 31)
        case "unsayable": return {1, 2}
        case "signal": os.kill(os.getpid(), 9)
        case "frame": [os.write(fd, b"garbage\n") for fd in range(3, 10) if opens_for_writing(fd)]
        case "stream": return half()
    return "well"
""",
    "node.mjs": r"""export async function query(event, context) {
  const { getRemainingTimeInMillis, ...fields } = context;
  console.log(JSON.stringify(fields));
  return { statusCode: 200, body: `queryStringParameters, ${JSON.stringify(event.queryStringParameters)}` };
}
export const hello = (event, context, callback) => callback(null, { hello: 'lambda' });
export const context = async (event, context) =>
  Object.fromEntries(Object.getOwnPropertyNames(context).map((key) => [key, context[key] ?? null]));
export async function* stream() { yield { statusCode: 201 }; yield 'a'; yield Buffer.from('é'); }
export const fault = async (event) => {
  switch (event.do) {
    case 'throw': throw new RangeError('on purpose');
    case 'string': throw 'a string';
    case 'undefined': return event.none.such;
    case 'later': setTimeout(() => { throw new Error('later on'); }, 1); return new Promise(() => {});
    case 'rejected': Promise.reject(new EvalError('nobody waits')); return new Promise((done) => setTimeout(done, 5000));
    case 'exit': process.exit(3);
    case 'signal': process.kill(process.pid, 'SIGSEGV'); return new Promise((done) => setTimeout(done, 5000));
    case 'unsayable': { const ring = {}; ring.ring = ring; return ring; }
    case 'memory': { const all = []; for (;;) all.push(new Array(1e6).fill(all.length)); }
  }
  return 'well';
};
""",
    "ruby.rb": r"""require 'json'
def query(event:, context:)
  puts context.to_h.to_json
  { statusCode: 200, body: "queryStringParameters, #{JSON.generate(event['queryStringParameters'])}" }
end
def hello(event, _context) = { 'hello' => 'lambda' }
def context(event:, context:) = context.to_h
def stream(event:, context:) = Enumerator.new { |pieces| pieces << { statusCode: 201 } << 'a' << 'é' }
def deep(n) = deep(n + 1) + 1
def fault(event:, context:)
  case event['do']
  when 'raise' then raise ArgumentError, 'on purpose'
  when 'nil' then nil.none
  when 'deep' then deep(0)
  when 'exit' then exit!(3)
  when 'signal' then Process.kill(:KILL, Process.pid) && sleep
  when 'nan' then Float::NAN
  else 'well'
  end
end
""",
    "lua.lua": r"""function query(event, context)
  print(json.encode(context))
  return json.encode({ statusCode = 200, body = "queryStringParameters, " .. '{"foo":"' .. event.queryStringParameters.foo .. '"}' })
end
function hello() return { hello = "lambda" } end
function context(event, context) return context end
function stream() return coroutine.wrap(function() for _, piece in ipairs({ { statusCode = 201 }, "a", "é" }) do coroutine.yield(piece) end end) end
function fault(event)
  if event["do"] == "error" then error("on purpose") end
  if event["do"] == "nil" then return event.none.such end
  if event["do"] == "exit" then os.exit(3) end
  if event["do"] == "unsayable" then return { print } end
  return "well"
end
""",
    "sh.sh": r"""query() {
    echo "$2" >&2
    foo=${1#*'"foo":"'}
    printf '{"statusCode":200,"body":"queryStringParameters, {\\"foo\\":\\"%s\\"}"}' "${foo%%'"'*}"
}
hello() { echo '{"hello":"lambda"}'; }
context() { echo "$2"; }
fault() {
    case $1 in
    *return*) echo oh no >&2; return 3 ;;
    *exit*) exit 4 ;;
    *unset*) set -u; echo "$NONE" ;;
    *missing*) no-such-program ;;
    *signal*) kill -9 $$; sleep 10 ;;
    *) echo well ;;
    esac
}
""",
}

# Handlers of which one process answers several events at a time: each waits for so many others to be there.
AT_ONCE = 8
TOGETHER = {
    "python": (
        "together.py",
        """import asyncio, os
here = {"meet": 0, "wait": 0}
async def handler(event, context):
    if event["do"] in here:
        here[event["do"]] += 1
    while "for" in event and here[event["for"]] < event["count"]:
        await asyncio.sleep(0.001)
    if event["do"] == "exit":
        os._exit(3)
    if event["do"] == "wait":
        await asyncio.sleep(60)
    await asyncio.sleep(event["number"] % 7 / 1000)
    if event["do"] == "fail" and event["number"] % 3 == 0:
        raise ValueError(event["number"])
    return [event["number"], os.getpid()]
""",
        "ValueError",
    ),
    "node": (
        "together_node.mjs",
        """const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const here = { meet: 0, wait: 0 };
export async function handler(event) {
  if (event.do in here) here[event.do]++;
  while (event.for && here[event.for] < event.count) await sleep(1);
  if (event.do === 'exit') process.exit(3);
  if (event.do === 'wait') await sleep(60000);
  await sleep(event.number % 7);
  if (event.do === 'fail' && event.number % 3 === 0) throw new RangeError(event.number);
  return [event.number, process.pid];
}
""",
        "RangeError",
    ),
}

# What is done, the type of the error, and what its report says.
FAULTS = {
    "php.php": [
        ("throw", "DomainException", ["on purpose", "php.php:12"]),
        ("type", "TypeError", ["strlen()", "php.php:13"]),
        ("undefined", "Error", ["no_such_function", "php.php:14"]),
        ("exit", "Runtime.ExitError", ["exited with status 3"]),
        ("memory", "Runtime.OutOfMemory", ["Allowed memory size", "php.php:16"]),
        ("unsayable", "JsonException", ["UTF-8"]),
        ("signal", "Runtime.ExitError", ["SIGSEGV"]),
        ("user", "FatalError", ["given up", "php.php:19"]),
        ("stream", "LogicException", ["half way", "php.php:20"]),
        ("large", "Function.ResponseSizeTooLarge", ["6291556"]),
    ],
    "perl.pl": [
        ("die", "Error", ["on purpose", "perl.pl:13"]),
        ("hash", "Error", ['{\\"code\\":7}']),
        ("object", "My::Error", ["perl.pl:15"]),
        ("undefined", "Error", ["no_such_function", "perl.pl:16"]),
        ("divide", "Error", ["division by zero", "perl.pl line 17"]),
        ("exit", "Runtime.ExitError", ["exited with status 3"]),
        ("unsayable", "Error", ["CODE"]),
        ("signal", "Runtime.ExitError", ["SIGABRT"]),
        ("stream", "Error", ["half way", "perl.pl:22"]),
    ],
    "python.py": [
        ("raise", "ValueError", ["on purpose", "line 19, in fault"]),
        ("key", "KeyError", ["none", "line 20, in fault"]),
        ("deep", "RecursionError", ["maximum recursion depth", "line 12, in deep", "[Previous line repeated"]),
        ("exit", "Runtime.ExitError", ["exited with status 3"]),
        ("hard exit", "Runtime.ExitError", ["exited with status 4"]),
        ("memory", "MemoryError", ["line 26, in fault"]),
        ("unsayable", "Runtime.MarshalError", ["set is not JSON serializable"]),
        ("signal", "Runtime.ExitError", ["SIGKILL", "memory runs out"]),
        ("frame", "Runtime.BadFrame", ["garbage"]),
        ("stream", "LookupError", ["half way", "line 16, in half"]),
    ],
    "node.mjs": [
        ("throw", "RangeError", ["on purpose", "node.mjs:12"]),
        ("string", "string", ["a string"]),
        ("undefined", "TypeError", ["such", "node.mjs:14"]),
        ("later", "Error", ["later on", "node.mjs:15"]),
        ("rejected", "Runtime.UnhandledPromiseRejection", ["nobody waits", "node.mjs:16"]),
        ("exit", "Runtime.ExitError", ["exited with status 3"]),
        ("signal", "Runtime.ExitError", ["SIGSEGV"]),
        ("unsayable", "Error", ["Unable to stringify response body"]),
        ("memory", "Runtime.OutOfMemory", ["SIGABRT", "OutOfMemory"]),
    ],
    "ruby.rb": [
        ("raise", "Function<ArgumentError>", ["on purpose", "ruby.rb:12"]),
        ("nil", "Function<NoMethodError>", ["none", "ruby.rb:13"]),
        ("deep", "Function<SystemStackError>", ["ruby.rb:9"]),
        ("exit", "Runtime.ExitError", ["exited with status 3"]),
        ("signal", "Runtime.ExitError", ["SIGKILL"]),
        ("nan", "Function<JSON::GeneratorError>", ["NaN"]),
    ],
    "lua.lua": [
        ("error", "Error", ["on purpose", "lua.lua:9"]),
        ("nil", "Error", ["lua.lua:10", "nil value"]),
        ("exit", "Runtime.ExitError", ["exited with status 3"]),
        ("unsayable", "Runtime.MarshalError", ["value[1]: no JSON for a function"]),
    ],
    "sh.sh": [
        ("return", "Function.ExitStatus", ["status 3", "oh no"]),
        ("exit", "Function.ExitStatus", ["status 4"]),
        ("unset", "Function.ExitStatus", ["NONE"]),
        ("missing", "Function.ExitStatus", ["status 127", "no-such-program"]),
        ("signal", "Runtime.ExitError", ["SIGKILL"]),
    ],
}

# Each is a look at a context in Perl, which is read by hand as far as that goes.
LOOKS = "environment method element slice keys each copy exists delete written json kept".split()
# As much as a trace header of X-Ray's may have that JSON has to escape.
TRACE_ID = 'Root=1-5759e988-bd862e3fe1be46a994272793;A="\\t\\\\"'

# What answers events of all sizes, and answers in them; `test_workers.py` has what they do.
SIZED = ["python", "node", "php", "perl", "ruby", "lua5.4", "dash"]

# Files that do not load.
UNLOADABLE = {
    "bad_php.php": ("<?php\nfunction f() {\n", "ParseError", "bad_php.php:"),
    "bad_pl.pl": ("sub f {\n", "Error", "bad_pl.pl line"),
    "bad_py.py": ("def f():\nreturn 1\n", "Runtime.UserCodeSyntaxError", "bad_py.py"),
    "bad_mjs.mjs": ("export const f = (;\n", "Runtime.UserCodeSyntaxError", "bad_mjs.mjs:1"),
    "bad_rb.rb": ("def f(\n", "Init<SyntaxError>", "bad_rb.rb:"),
    "bad_lua.lua": ("function f(\n", "Error", "bad_lua.lua:"),
    "bad_sh.sh": ("f() {\n", "Runtime.ExitError", "bad_sh.sh"),
}


class Emulator(Server):
    """Our emulator with the bootstrap in it."""

    def __init__(self, emulator, bootstrap, handler, at_once=1):
        super().__init__(emulator, ["--concurrency", str(at_once)], [bootstrap, "--in-process", str(at_once), handler])

    def invoke(self, event, headers={}):
        reply, body = self.reply(event, headers)
        return reply.status, body


def answers(server, stem, streams):
    with server(f"{stem}.query") as running:
        status, body = running.invoke(QUERY)
        check(f"{stem}: query", (status, json.loads(body)), (200, QUERY_ANSWER))
    with server(f"{stem}.hello") as running:
        for _ in range(3):
            status, body = running.invoke("{}")
            check(f"{stem}: hello", (status, json.loads(body)), (200, {"hello": "lambda"}))
    with server(f"{stem}.context") as running:
        context = json.loads(running.invoke("{}")[1])
        check(f"{stem}: context", [key for key in CONTEXT_KEYS if key not in context], [])
    if streams:
        with server(f"{stem}.stream") as running:
            prelude, body = running.invoke("{}")[1].split(bytes(8))
            check(f"{stem}: stream", (json.loads(prelude), body.decode()), ({"statusCode": 201}, "aé"))


def perl_looks(server, bootstrap):
    theirs = b64encode(b'{"trace_id":"theirs"}')
    headers = {"x-amzn-trace-id": TRACE_ID.encode(), "x-amz-client-context": theirs}
    with server("perl.look") as running:
        for look in LOOKS:
            status, body = running.invoke(json.dumps({"look": look}), headers)
            check(f"perl: {look}", (status, json.loads(body)), (200, TRACE_ID))
    # There is no trace id in this.
    by_hand = subprocess.check_output([bootstrap, "invoke", "perl.look", '{"look":"environment"}'])
    check("perl: by hand", json.loads(by_hand), "none")
    with server("perl.whole") as running:
        context = json.loads(running.invoke("{}")[1])
        check("perl: whole", [key for key in CONTEXT_KEYS if key not in context], [])


def sizes(server, name, root):
    """Events and answers of every size that Lambda takes, and of one byte more. One of no bytes is an object without members."""
    language = LANGUAGES[name]
    with open(os.path.join(root, f"sized.{language.extension}"), "w") as file:
        file.write(COMMON[language.extension])
    with server("sized.sized") as running:
        for size in SIZES[2:-1]:
            check(f"{name}: event of {size} bytes", running.invoke(b'"%s"' % (b"x" * (size - 2))), (200, b"%d" % (size - 2)))
        check(f"{name}: event of {LIMIT + 1} bytes", running.invoke(b'"%s"' % (b"x" * (LIMIT - 1)))[0], 413)
        for size in SIZES[2:-1]:
            check(f"{name}: answer of {size} bytes", running.invoke('{"size":%d}' % (size - 2)) == (200, b'"%s"' % (b"x" * (size - 2))), True)
        is_told(name, running.invoke('{"size":%d}' % (LIMIT - 1)), "Function.ResponseSizeTooLarge", [str(LIMIT)])
        check(f"{name}: after that", running.invoke('"xyz"'), (200, b"3"))
    with server("sized.same") as running:
        check(f"{name}: an event without a body", running.invoke(b""), (200, b"{}"))


def together(server, name):
    """One process answers many callers at a time, each gets what is his own, and its end is reported to all of them."""
    file, _, error_type = TOGETHER[name]

    def ask(events):
        replies = [None] * AT_ONCE

        def caller(at):
            connection = http.client.HTTPConnection(running.listen, timeout=600)
            replies[at] = []
            for event in events(at):
                connection.request("POST", INVOKE, json.dumps(event))
                reply = connection.getresponse()
                replies[at].append((event["number"], json.loads(reply.read())))
            connection.close()

        callers = [threading.Thread(target=caller, args=(at,)) for at in range(AT_ONCE)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
        return [reply for of_one in replies for reply in of_one]

    with server(f"{file.rsplit('.', 1)[0]}.handler") as running:
        met = ask(lambda at: [{"do": "meet", "for": "meet", "count": AT_ONCE, "number": at}])
        check(f"{name}: own answers", [answer[0] for _, answer in met], [number for number, _ in met])
        process = met[0][1][1]
        check(f"{name}: one process", {answer[1] for _, answer in met}, {process})
        many = ask(lambda at: [{"do": "fail", "number": at * 1000 + number} for number in range(100)])
        for number, answer in many:
            if number % 3:
                check(f"{name}: {number}", answer, [number, process])
            else:
                check(f"{name}: {number}", (answer["errorType"], answer["errorMessage"]), (error_type, str(number)))
        ended = ask(lambda at: [{"do": "wait", "number": at} if at else {"do": "exit", "for": "wait", "count": AT_ONCE - 1, "number": at}])
        for number, answer in ended:
            check(f"{name}: {answer}", answer["errorType"], "Runtime.ExitError")
            check(f"{name}: {answer}", "exited with status 3" in answer["errorMessage"], True)
        status, body = running.invoke('{"do":"none","number":5}')
        check(f"{name}: after that", (status, json.loads(body)[0]), (200, 5))
        return len(met) + len(many) + len(ended)


def is_told(what, reply, error_type, parts):
    text = reply[1].decode()
    check(f"{what}: type in {text}", json.loads(text).get("errorType"), error_type)
    for part in parts:
        check(f"{what}: {part} in {text}", part in text, True)


def example_answers(emulator, bootstrap, name):
    """The example answers what its README says, as its image does."""
    directory = os.path.join("examples", name)
    with open(os.path.join(directory, "README.md")) as readme, open(os.path.join(directory, "Dockerfile")) as image:
        expected = re.search(r"```json\n(.*?)\n```", readme.read(), re.DOTALL)[1]
        handler = re.search(r'^CMD \["(.*)"\]$', image.read(), re.MULTILINE)[1]
    event = os.path.join("examples", "events", "api-gateway.json")
    command = [emulator, "--task-root", os.path.abspath(directory), "--event", event, "--", bootstrap, handler]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check(f"{directory}: {answer.stderr}", (answer.returncode, answer.stdout), (0, expected))


def main(rie, emulator, bootstrap):
    passed = 0
    for name in EXAMPLES:
        example_answers(emulator, bootstrap, name)
        passed += 1
    print(f"examples {', '.join(EXAMPLES)}: what their README says ... ok", flush=True)
    with tempfile.TemporaryDirectory() as root:
        os.environ["LAMBDA_TASK_ROOT"] = root
        os.environ["NODE_OPTIONS"] = "--max-old-space-size=64"
        for name, text in [*HANDLERS.items(), *((name, text) for name, (text, _, _) in UNLOADABLE.items())]:
            with open(os.path.join(root, name), "w") as file:
                file.write(text)
        servers = {
            "rie": lambda handler: Rie([rie], bootstrap, handler),
            "emulator": lambda handler: Emulator(emulator, bootstrap, handler),
        }
        for where, server in servers.items():
            for name in HANDLERS:
                answers(server, name.split(".")[0], streams=name != "sh.sh")
                print(f"{where}: {name} ... ok", flush=True)
                passed += 1
        perl_looks(servers["emulator"], bootstrap)
        print(f"perl.pl: {len(LOOKS)} looks at a context ... ok", flush=True)
        passed += len(LOOKS)
        for name, faults in FAULTS.items():
            with servers["emulator"](f"{name.split('.')[0]}.fault") as running:
                for do, error_type, parts in faults:
                    is_told(f"{name}: {do}", running.invoke(json.dumps({"do": do})), error_type, parts)
                    check(f"{name}: after {do}", running.invoke('{"do":"none"}'), (200, b'"well"'))
                    passed += 1
            print(f"{name}: {len(faults)} faults named, and the next event answered ... ok", flush=True)
        for name in SIZED:
            sizes(servers["emulator"], name, root)
            print(f"{name}: events and answers of {len(SIZES)} sizes ... ok", flush=True)
            passed += 1
        for name, (file, text, _) in TOGETHER.items():
            with open(os.path.join(root, file), "w") as out:
                out.write(text)
            answered = together(lambda handler: Emulator(emulator, bootstrap, handler, AT_ONCE), name)
            print(f"{name}: {answered} events to one process, {AT_ONCE} at a time ... ok", flush=True)
            passed += 1
        for name, (_, error_type, part) in UNLOADABLE.items():
            with servers["emulator"](f"{name.split('.')[0]}.f") as running:
                is_told(name, running.invoke("{}"), error_type, [part])
            print(f"{name}: does not load, and says why ... ok", flush=True)
            passed += 1
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:4])
