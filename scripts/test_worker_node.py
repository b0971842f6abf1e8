"""The worker for JavaScript, over two pipes: what does not depend on who is at their other end. `test_worker_node.py
[NODE]` runs it by another Node.
"""

import json
import sys
import time
from pathlib import Path

from worker_pipes import LIMIT, NODE, PATIENCE, Root, check, try_all

# What is logged at once, more than the 64 KiB that a pipe holds.
LOG_BYTES = 300_000
# Most memory of a process that answers in many pieces, in KiB: Node has about half of that when it starts.
STREAMING_RSS_KIB = 110_000
PIECES, PIECE_BYTES = 2000, 65536

HANDLERS = r"""
const { execFileSync, fork } = require('child_process');
exports.echo = async (event) => event;
exports.changes = async (event, context) => {
  if (event.look) return [context.getRemainingTimeInMillis() > 0, event];
  process.removeAllListeners();
  process.chdir('/');
  process.umask(0o777);
  process.exit = process.nextTick = process.on = () => { throw new Error('process'); };
  for (const name of Object.keys(process.env)) delete process.env[name];
  const broken = () => { throw new Error('broken'); };
  const owners = [Array, Buffer, Uint8Array, String, Function, RegExp, Date, Map, Set, Number, Error];
  for (const owner of [...owners.map((owner) => owner.prototype), JSON, Reflect, Math, Atomics, Buffer, Date, console,
    require('fs'), require('util'), require('net'), require('net').Socket.prototype, Promise.prototype]) {
    for (const name of Object.getOwnPropertyNames(owner)) {
      if (name === 'constructor') continue;
      try { if (typeof owner[name] === 'function') owner[name] = broken; } catch {}
    }
  }
  const globals = ['JSON', 'Buffer', 'Promise', 'process', 'setTimeout', 'setImmediate', 'queueMicrotask', 'Symbol',
    'console', 'Object', 'Error', 'Date', 'awslambda'], scope = globalThis;
  delete Array.prototype[Symbol.iterator];
  Object.prototype.polluted = 'polluted';
  for (let at = 0; at < globals.length; at++) scope[globals[at]] = undefined;
  return 'changed';
};
exports.freezes = async () => {
  // What Node loads when it is first asked for cannot be loaded once all is frozen.
  for (const name of Object.getOwnPropertyNames(globalThis)) try { globalThis[name]; } catch {}
  const owners = [Object, Function, Array, String, Promise, Error, Map, Set, Symbol, RegExp, Date, Number, Uint8Array, Buffer];
  for (const owner of [...owners, ...owners.map((owner) => owner.prototype), JSON, Reflect, Math, console, process, require('fs'),
    require('util'), awslambda, awslambda.InvokeStore, globalThis]) Object.freeze(owner);
  console.log('frozen');
  return 'frozen';
};
exports.children = async () => {
  const descriptors = execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
  const forked = await new Promise((done) => fork(__dirname + '/child.js').once('message', done));
  return { pipes: (descriptors.match(/pipe:/g) ?? []).length, forked };
};
exports.threads = async (event) => {
  const { Worker } = require('worker_threads');
  const text = `require('child_process').fork(${JSON.stringify(__dirname)} + '/${event}', ['argument']).once('message', (found) => {
    require('worker_threads').parentPort.postMessage(found);
  }).once('exit', (status) => { if (status !== 0) throw new Error('the forked process has ended by ' + status); });`;
  require('fs').writeFileSync(__dirname + '/thread.js', text);
  const threads = [new Worker(text, { eval: true }), new Worker(__dirname + '/thread.js')];
  return Promise.all(threads.map((thread) => new Promise((done, failed) => thread.once('message', done).once('error', failed))));
};
process.on('exit', () => { if (process.env.LAMBWIRE_FILE === undefined) require('fs').writeSync(1, 'ended\n'); });
exports.logs = async () => { console.log('x'.repeat(300000)); process.exit(3); };
exports.large = async function* () { for (let at = 0; at < 2000; at++) yield Buffer.alloc(65536, 'x'); };
exports.overlap = async ({ wait }, { awsRequestId }) => {
  await new Promise((done) => setTimeout(done, wait));
  console.log(awsRequestId);
  return [awsRequestId, awslambda.InvokeStore.getRequestId()];
};
exports.behind = async (event) => {
  if (event === 1) setTimeout(() => Promise.reject(new Error('behind the answer')), 10);
  else await new Promise((done) => setTimeout(done, 200));
  return event;
};
exports.rejects = async () => { setTimeout(() => Promise.reject(new Error('nobody waits')), 10); return 'answered'; };
exports.throws = async () => { setTimeout(() => { throw new RangeError('behind the answer'); }, 10); return 'answered'; };
exports.caused = async () => { throw new RangeError('outer', { cause: new TypeError('inner', { cause: 'a text' }) }); };
exports.number = function* () { yield 5; };
exports.half = async function* () { yield 'a'; throw new RangeError('half way'); };
exports.writes = globalThis.awslambda?.streamifyResponse(async ({ count, size }, stream) => {
  for (let at = 0; at < count; at++) stream.write('x'.repeat(size));
  stream.end();
});
exports.context = async (event, context) =>
  event === 'names' ? [context.function_name, context.deadline_ms > 0, context.aws_request_id === context.awsRequestId] : context;
"""
MODULE = r"""
const name = await Promise.resolve('awaited');
export const handler = async () => ({ name, require: typeof require, dirname: typeof __dirname, fs: typeof fs });
"""
FILES = {
    "app.js": HANDLERS,
    "forked.js": "process.send([require.main === module, process.argv.slice(1), process.execArgv, typeof fs])",
    "forked.mjs": "process.send([typeof require, process.argv.slice(1), process.execArgv, typeof fs])",
    "child.js": "process.send(Object.keys(process.env).filter((name) => name.startsWith('LAMBWIRE_')).concat(process.execArgv))",
    "module.mjs": MODULE,
    "typed/app.js": MODULE,
    "typed/package.json": '{"type":"module"}',
}


def is_error(heard, error_type):
    return heard[0] in ("error", "fatal") and json.loads(heard[-1])["errorType"] == error_type


def surroundings(root):
    with root.serve("app.js", "changes") as worker:
        check("changes everything", worker.invoke("{}"), ("bytes", b'"changed"'))
        for at in range(3):
            event = json.dumps({"look": 1, "more": "x" * 70000 * at}, separators=(",", ":"))
            kind, body = worker.invoke(event)
            check("after all has changed", (kind, json.loads(body)), ("bytes", [True, json.loads(event)]))
    with root.serve("app.js", "freezes") as worker:
        for _ in range(3):
            check("freezes everything", worker.invoke("{}"), ("bytes", b'"frozen"'))
    with root.serve("app.js", "echo", NODE_OPTIONS="--frozen-intrinsics --disable-proto=throw --no-warnings") as worker:
        check("frozen from the start", worker.invoke("1"), ("bytes", b"1"))
    with root.serve("app.js", "children") as worker:
        body = json.loads(worker.invoke("{}")[1])
        check("what children find", body, {"pipes": 0, "forked": []})
    with root.serve("app.js", "threads") as worker:
        for file, first in (("forked.js", True), ("forked.mjs", "undefined")):
            found = [first, [f"{root.path}/{file}", "argument"], [], "undefined"]
            check(f"what threads fork: {file}", json.loads(worker.invoke(json.dumps(file))[1]), [found, found])
    for file in ("module.mjs", "typed/app.js"):
        with root.serve(file, "handler") as worker:
            found = {"name": "awaited", "require": "undefined", "dirname": "undefined", "fs": "undefined"}
            check(f"{file}: scope", json.loads(worker.invoke("{}")[1]), found)


def ends(root):
    with root.serve("app.js", "echo") as worker:
        check("end of the events", (worker.end(), worker.logged()), (0, "ended\n"))
    with root.serve("app.js", "logs") as worker:
        worker.send("{}")
        check("status of who exits", worker.process.wait(PATIENCE), 3)
        check("the log of who exits is whole", worker.logged().count("x"), LOG_BYTES)
    with root.serve("app.js", "rejects") as worker:
        for at in range(3):
            check("a rejection behind the answer", worker.invoke("{}"), ("bytes", b'"answered"'))
            give_up_at = time.monotonic() + PATIENCE
            while late_lines(worker) <= at and time.monotonic() < give_up_at:
                time.sleep(0.05)
        check("each is logged, and the process stays", (late_lines(worker), worker.end()), (3, 0))
    with root.serve("app.js", "throws") as worker:
        check("an exception behind the answer", worker.invoke("{}"), ("bytes", b'"answered"'))
        heard = worker.hear()
        check("it is reported", (heard[:2], is_error(heard, "RangeError")), (("fatal", "-"), True))
        check("and ends the process", worker.process.wait(PATIENCE), 129)


def late_lines(worker):
    return sum("Unhandled Promise Rejection" in line and "app.js" in line for line in worker.logged().splitlines())


def reports(root):
    with root.serve("app.js", "caused") as worker:
        kind, body = worker.invoke("{}")
        seen = [kind]
        report = json.loads(body)
        while report:
            has_place = any("app.js:" in line for line in report["trace"])
            seen.append((report["errorType"], report["errorMessage"], has_place, "[eval]" in str(report)))
            report = report.get("cause")
        check("causes", seen, ["error", ("RangeError", "outer", True, False), ("TypeError", "inner", True, False), ("string", "a text", False, False)])


def streams(root):
    with root.serve("app.js", "number") as worker:
        check("a generator of numbers", is_error(worker.invoke("{}"), "TypeError"), True)
    with root.serve("app.js", "half") as worker:
        for _ in range(2):
            frames = worker.stream("{}")
            check("half a stream", (frames[0], is_error(frames[1], "RangeError")), (("chunk", b"a"), True))
    with root.serve("app.js", "writes") as worker:
        for count, size in ((8, 1_000_000), (1, 7_000_000), (3, LIMIT + 1)):
            *chunks, end = worker.stream(json.dumps({"count": count, "size": size}))
            check("writes that wait for none", (sum(len(body) for _, body in chunks), end), (count * size, ("end", b"")))
            check("kinds", {kind for kind, _ in chunks}, {"chunk"})
            check("no frame is too large", max(len(body) for _, body in chunks) <= LIMIT, True)
    with root.serve("app.js", "large") as worker:
        worker.send("{}")
        status = Path(f"/proc/{worker.process.pid}/status")
        resident = lambda: next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmRSS" in line)
        # Time in which a generator that is not held back makes all of its pieces.
        time.sleep(1)
        check("a generator waits for who reads", resident() < STREAMING_RSS_KIB, True)
        length = 0
        while (frame := worker.hear())[0] == "chunk":
            length += len(frame[2])
        check("a large stream", (frame[0], length), ("end", PIECES * PIECE_BYTES))


def concurrent(root):
    with root.start("app.js", "overlap", LAMBWIRE_CONCURRENCY="3") as worker:
        check("concurrency", worker.ready(), {"concurrency": 3})
        ids = [worker.send(json.dumps({"wait": wait})) for wait in (300, 150, 0)]
        answers = {request_id: json.loads(body) for _, request_id, body in (worker.hear() for _ in ids)}
        check("each has its own", answers, {request_id: [request_id, request_id] for request_id in ids})
        worker.end()
        logged = [line.split("\t") for line in worker.logged().splitlines() if "\t" in line]
        check("each line has its id", sorted((fields[1], fields[3]) for fields in logged), [(each, each) for each in ids])


def behind(root):
    """A rejection behind one's own answer does not end the others."""
    with root.serve("app.js", "behind", LAMBWIRE_CONCURRENCY="3") as worker:
        ids = [worker.send(event) for event in ("1", "2", "3")]
        answers = {request_id: (kind, body) for kind, request_id, body in (worker.hear() for _ in ids)}
        check("answers", answers, {request_id: ("bytes", str(at + 1).encode()) for at, request_id in enumerate(ids)})
        check("after that", (worker.invoke("4"), late_lines(worker)), (("bytes", b"4"), 1))


def contexts(root):
    with root.serve("app.js", "context") as worker:
        deep = "[" * 1300 + "]" * 1300
        kind, body = worker.invoke("{}", client_context=deep)
        check("a deep client context", (kind, deep in body.decode()), ("bytes", True))
        check("the next caller", worker.invoke("{}")[0], "bytes")
        named = json.loads(worker.invoke('"names"')[1])
        check("names that all languages share", named, ["pipes", True, True])


TESTS = [surroundings, ends, reports, streams, concurrent, behind, contexts]


class Node(Root):
    """A task root with the handlers in it."""

    start = Root.start_file

    def __init__(self, *interpreter):
        super().__init__(NODE, *interpreter)
        for name, text in FILES.items():
            self.write(name, text)


if __name__ == "__main__":
    try_all(Node(*sys.argv[1:]), TESTS)
