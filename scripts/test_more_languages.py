"""The workers of examples/workers over two pipes, and their handlers under the bootstrap:
`test_more_languages.py BOOTSTRAP [LANGUAGE]...`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from worker_pipes import PATIENCE, RAW_SIZES, SIZES, Worker, check, every_byte

# The folders of those that are not called by their interpreter's name.
FOLDERS = {"bun": "typescript", "deno": "typescript"}
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../examples/workers")
TYPESCRIPT = """import process from "node:process";
export function handler(event: any, context: any) {
  if (event.do === "throw") throw new RangeError("on \\"purpose\\"", { cause: new Error("inner") });
  if (event.do === "trace") return [process.env._X_AMZN_TRACE_ID ?? "none", context.getRemainingTimeInMillis() > 50000];
  if (event.do === "reject") return Promise.reject(new Error("later"));
  if (event.do === "exit") process.exit(3);
  if (event.do === "stream") return (function* () { yield { statusCode: 201 }; yield "a"; yield new TextEncoder().encode("é"); })();
  if (event.size !== undefined) return "x".repeat(event.size);
  return typeof event === "string" ? event.length : event;
}
"""
# In each, `handler` does what its event says: it throws, gives the trace, ends, answers so many x, or the length of a
# string, and else gives its event back.
HANDLERS = {
    "bun": TYPESCRIPT,
    "deno": TYPESCRIPT,
    "tcl": r"""proc handler {event context} {
    if {[string match {*throw*} $event]} { error "on \"purpose\"" }
    if {[string match {*trace*} $event]} { if {[info exists ::env(_X_AMZN_TRACE_ID)]} { return $::env(_X_AMZN_TRACE_ID) }; return none }
    if {[string match {*exit*} $event]} { exit 3 }
    if {[regexp {^\{"size":(\d+)\}$} $event whole size]} { return [string repeat x $size] }
    if {[string index $event 0] eq "\""} { return [expr {[string length $event] - 2}] }
    return $event
}
""",
    "guile": r"""(use-modules (ice-9 regex))
(define (handler event context)
  (cond ((string-contains event "throw") (error "on \"purpose\""))
        ((string-contains event "trace") (or (getenv "_X_AMZN_TRACE_ID") "none"))
        ((string-contains event "exit") (primitive-_exit 3))
        ((string-match "^\\{\"size\":([0-9]+)\\}$" event)
         => (lambda (found) (make-string (string->number (match:substring found 1)) #\x)))
        ((char=? (string-ref event 0) #\") (- (string-length event) 2))
        (else event)))
""",
    "r": r"""handler <- function(event, context) {
  if (is.character(event)) return(nchar(event))
  if (!is.list(event) || is.null(names(event))) return(event)
  if (identical(event$do, "throw")) stop("on \"purpose\"")
  if (identical(event$do, "trace")) return(Sys.getenv("_X_AMZN_TRACE_ID", "none"))
  if (identical(event$do, "exit")) quit("no", 3)
  if (!is.null(event$size)) return(strrep("x", event$size))
  event
}
""",
    "elixir": r"""defmodule App do
  def handler(event, _) do
    cond do
      event =~ "throw" -> raise ArgumentError, "on \"purpose\""
      event =~ "trace" -> System.get_env("_X_AMZN_TRACE_ID", "none")
      event =~ "exit" -> System.halt(3)
      found = Regex.run(~r/^\{"size":(\d+)\}$/, event) -> String.duplicate("x", String.to_integer(Enum.at(found, 1)))
      String.starts_with?(event, "\"") -> Integer.to_string(byte_size(event) - 2)
      true -> event
    end
  end
end
""",
}
CAREFUL_TYPESCRIPT = """import process from "node:process";
process.on("SIGTERM", () => { console.log("closing"); setTimeout(() => console.log("closed"), 100); });
export default { handler: (event: unknown) => event };
"""
# Says goodbye at SIGTERM by its language's habit, and takes a while for it. R has none.
CAREFUL = {
    "bun": CAREFUL_TYPESCRIPT,
    "deno": CAREFUL_TYPESCRIPT,
    "tcl": """package require Tclx
signal trap SIGTERM { puts closing; after 100; puts closed }
proc handler {event context} { return $event }
""",
    "guile": r"""(sigaction SIGTERM (lambda (number) (display "closing\n") (usleep 100000) (display "closed\n")))
(define (handler event context) event)
""",
    "elixir": """System.trap_signal(:sigterm, fn -> IO.puts("closing"); Process.sleep(100); IO.puts("closed"); :ok end)
defmodule App do
  def handler(event, _), do: event
end
""",
}
SPOILING_TYPESCRIPT = """export const handler = (event: any) => {
  if (event !== 1) return event;
  JSON.parse = JSON.stringify = Date.now = (() => { throw 1; }) as any;
  for (const owner of [Array, String, Uint8Array, TextEncoder, TextDecoder].map((owner) => owner.prototype as any)) {
    for (const name of Object.getOwnPropertyNames(owner)) {
      try { if (name !== "constructor" && typeof owner[name] === "function") owner[name] = () => { throw 1; }; } catch {}
    }
  }
  return event;
};
"""
# Handlers that leave something behind which the worker may stumble on, and give their event back.
SPOILING = {
    "bun": SPOILING_TYPESCRIPT,
    "deno": SPOILING_TYPESCRIPT,
    "tcl": """trace add variable ::env {write unset} {apply {args {error spoilt}}}
proc handler {event context} { catch { close stdout; close stderr }; catch { rename puts {}; rename string {} }; return $event }
""",
    "guile": """(define (handler event context)
  (close-port (current-output-port)) (close-port (current-error-port)) (chdir "/") (environ '()) event)
""",
    "r": """handler <- function(event, context) {
  setwd("/"); options(OutDec = ",", digits = 3, warn = 2); sink("/dev/null"); assign("paste0", stop, globalenv()); event
}
""",
    "elixir": """defmodule App do
  def handler(event, _) do
    Process.group_leader(self(), spawn(fn -> :ok end)); File.cd!("/"); System.delete_env("PATH"); event
  end
end
""",
}
# What handlers do, when their event is 1, that is no answer of theirs or might end the worker, and what is answered.
LEAVING = {
    "tcl": ("package require Tclx\nproc handler {event context} { if {$event eq 1} { %s }; return $event }", {
        "if {[fork] == 0} { return child }; after 300; return parent": ("text", "parent"),
    }),
    "guile": ("(define (handler event context) (if (equal? event \"1\") %s event))", {
        '(if (zero? (primitive-fork)) "child" (begin (usleep 300000) "parent"))': ("text", "parent"),
    }),
    "r": ("handler <- function(event, context) { if (identical(event, 1L)) { %s }; event }", {
        "if (inherits(parallel:::mcfork(), 'masterProcess')) return('child'); Sys.sleep(.3); return('parent')": ("result", '"parent"'),
        "closeAllConnections()": ("result", "1"), "invokeRestart('abort')": ("error", "'abort'"),
        "stop(structure(class = c('interrupt', 'condition'), list(message = 'x')))": ("error", '"x"'),
    }),
    "elixir": ("defmodule App do\n  def handler(event, _) do\n    if event == \"1\", do: %s, else: event\n  end\nend\n", {
        'Task.await(Task.async(fn -> raise "inner" end))': ("error", '"RuntimeError","errorMessage":"inner"'),
        "Process.exit(self(), :kill)": ("error", ":killed"), "(spawn_link(fn -> exit(:bad) end); Process.sleep(60_000))": ("error", ":bad"),
    }),
}  # fmt: skip
# Files that also run by themselves, as is usual in their languages: what is printed then is printed by nobody here.
DIRECTLY = {
    "bun": "if (import.meta.main || Bun.main === import.meta.path) console.log('run'); export const handler = () => 1;",
    "deno": "if (import.meta.main || Deno.mainModule === import.meta.url) console.log('run'); export const handler = () => 1;",
    "tcl": "if {$::argv0 eq [info script] || $::tcl_interactive || $::argc} { puts run }\nproc handler {event context} { return 1 }\n",
    "guile": "(if (equal? (car (command-line)) (current-filename)) (display \"run\"))\n(define (handler event context) 1)\n",
    "r": "if (sys.nframe() == 0L) cat('run')\nhandler <- function(event, context) 1\n",
}
# The handler draws a number of the generator that the file has seeded; Bun's cannot be, and Elixir's belongs to a process.
SEEDED = {
    "bun": "export const handler = () => Math.random();",
    "deno": "Math.random();\nexport const handler = () => Math.random();",
    "tcl": "expr srand(7)\nproc handler {event context} { expr rand() }\n",
    "guile": "(set! *random-state* (seed->random-state 7))\n(define (handler event context) (random 1.0))\n",
    "r": "set.seed(7)\nhandler <- function(event, context) runif(1)\n",
    "elixir": ":rand.seed(:exsss, 7)\ndefmodule App do\n  def handler(_, _), do: Float.to_string(:rand.uniform())\nend\n",
}
# Hooks say that they have run, and fail when the file `fail` is there.
TYPESCRIPT_HOOKS = """import { existsSync } from 'node:fs';
export const beforeSnapshot = () => { console.log('before'); if (existsSync('fail')) throw new RangeError('on purpose'); };
export async function afterRestore() { console.log('after'); }
export const handler = () => 1;
"""
HOOKS = {
    "bun": TYPESCRIPT_HOOKS,
    "deno": TYPESCRIPT_HOOKS,
    "tcl": "proc before_snapshot {} { puts before; if {[file exists fail]} { error {on purpose} } }\nproc after_restore {} { puts after }\n"
    "proc handler {event context} { return 1 }\n",
    "guile": "(define (before-snapshot) (display \"before\\n\") (when (file-exists? \"fail\") (error \"on purpose\")))\n"
    "(define (after-restore) (display \"after\\n\"))\n(define (handler event context) 1)\n",
    "r": "before_snapshot <- function() { cat('before\\n'); if (file.exists('fail')) stop('on purpose') }\n"
    "after_restore <- function() cat('after\\n')\nhandler <- function(event, context) 1\n",
    "elixir": "defmodule App do\n  def before_snapshot do\n    IO.puts(\"before\")\n    if File.exists?(\"fail\"), do: raise(\"on purpose\")\n  end\n"
    "  def after_restore, do: IO.puts(\"after\")\n  def handler(_, _), do: \"1\"\nend\n",
}
NEVER_SEEDED = ("bun", "elixir")
SEED_OPTIONS = {"deno": ["--seed=7"]}
# What is raised that says little of itself, or fails when it is asked, and a part of what is told.
ODD_TYPESCRIPT = {
    "const e: any = new Error('x'); e.cause = e; throw e": "x", "throw undefined": "undefined", "throw Symbol('s')": "Symbol(s)",
    "throw Object.create(null)": "cannot be had", "throw Object.defineProperty(new Error('x'), 'stack', { get() { throw 1 } })": "cannot be had",
}  # fmt: skip
ODD = {
    "bun": ("export function handler() { %s }", ODD_TYPESCRIPT),
    "deno": ("export function handler() { %s }", ODD_TYPESCRIPT),
    "tcl": ("proc handler {event context} { %s }", {
        "return -code break x": "x", "return -code 99 x": "x", "return -level 5 x": "x", "break": "break",
        "return -code error -errorcode \"\\{ b\" x": "x", "return -code error -errorcode {} x": "x",
    }),
    "guile": ("(define (handler event context) %s)", {"(throw 'misc-error 5)": "misc-error", "(raise-exception 5)": "5", "(values)": "values"}),
    "r": ("handler <- function(event, context) stop(structure(class = c('mine', 'error', 'condition'), list(%s)))", {
        "": "", "message = 5": "5", "message = c('a', 'b')": "a b", "message = list(1, 'b')": "1 b", "message = function() 1": "",
    }),
    "elixir": ("defmodule E do\n  defexception [:x]\n  def message(_), do: raise(\"m\")\nend\n"
               "defmodule App do\n  def handler(_, _), do: %s\nend\n", {
        "raise E": "message", "raise <<255, 65>>": "ÿA", "throw({1})": "{1}", "exit(:normal)": ":normal",
    }),
}  # fmt: skip
# A line of a file that asks for events byte for byte, and a handler that gives its event back.
RAW_TYPESCRIPT = ('import process from "node:process"; process.env.LAMBWIRE_BYTES = "1";\n', "export const handler = (event: unknown) => event;\n")
RAW = {
    "bun": RAW_TYPESCRIPT,
    "deno": RAW_TYPESCRIPT,
    "tcl": ("set env(LAMBWIRE_BYTES) 1\n", "proc handler {event context} { return $event }\n"),
    "guile": ('(setenv "LAMBWIRE_BYTES" "1")\n', "(define (handler event context) event)\n"),
    "r": ('Sys.setenv(LAMBWIRE_BYTES = "1")\n', "handler <- function(event, context) event\n"),
    "elixir": ('System.put_env("LAMBWIRE_BYTES", "1")\n', "defmodule App do\n  def handler(event, _), do: event\nend\n"),
}
BROKEN = {"deno": "export const = 1", "bun": "export const = 1", "tcl": "proc handler {", "guile": "(define (handler", "r": "handler <- function(", "elixir": "defmodule App do"}
# Those that read JSON themselves hand it back so; for the others it is text.
EVENTS = ["1", "[]", "{}", '{"a":{"b":[1.5,null,true,"é\\u0001"]}}', '[{"k":"v"}]', " 7 "]


def folder_of(language):
    return os.path.join(EXAMPLES, FOLDERS.get(language, language))


def declared(worker, language):
    """The extension, the interpreter and the options that a worker's first lines name."""
    with open(worker) as file:
        words = [line.split("lambwire-worker:")[1].split() for line in file.read(1024).splitlines() if "lambwire-worker:" in line][0]
    values = {"interpreter": [], "option": [], "extension": [], "pipes": []}
    for word in words:
        values[word.split("=")[0]].append(word.split("=", 1)[1])
    named = [language] if language in values["interpreter"] else values["interpreter"]
    interpreter = next(name for name in named if shutil.which(name))
    return values["extension"][0], [interpreter, *values["option"]]


def pipes(language, root):
    folder = folder_of(language)
    worker = next(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("worker."))
    extension, command = declared(worker, language)
    path = os.path.join(root, f"app.{extension}")

    def start(source, function="handler", options=[], **variables):
        with open(path, "w") as file:
            file.write(source)
        return Worker([*command, *options], worker, (path, function), {"LC_ALL": "C.UTF-8", "NO_COLOR": "1", **variables})

    def value(answer):
        check(f"{language}: {answer[1][:200]!r}", answer[0] in ("result", "text"), True)
        try:
            return json.loads(answer[1])
        except json.JSONDecodeError:
            return answer[1].decode()

    with start(HANDLERS[language]) as running:
        running.ready()
        for event in EVENTS:
            check(f"{language}: {event}", value(running.invoke(event)), json.loads(event))
        for trace in ('Root=1-a;"\\é', None):
            seen = value(running.invoke('{"do":"trace"}', trace_id=trace, client_context='{"trace_id":"theirs"}'))
            check(f"{language}: trace", seen[0] if isinstance(seen, list) else seen, trace or "none")
        seen = json.loads(expect_error(language, running.invoke('{"do":"throw"}')))
        check(f"{language}: {seen}", 'on "purpose"' in seen["errorMessage"] and isinstance(seen["stackTrace"], list), True)
        deep = "[" * 1300 + "]" * 1300
        kind = running.invoke('{"do":"trace"}', client_context=deep)[0]
        check(f"{language}: deep client context", kind in ("result", "text", "error"), True)
        for size in SIZES:
            check(f"{language}: answer of {size}", len(str(value(running.invoke('{"size":%d}' % size)))), size)
            if size > 2:
                check(f"{language}: event of {size}", value(running.invoke('"' + "x" * (size - 2) + '"')), size - 2)
        if language in ("deno", "bun"):
            seen = json.loads(expect_error(language, running.invoke('{"do":"reject"}')))
            check(f"{language}: rejected", seen["errorMessage"], "later")
            frames = running.stream('{"do":"stream"}')
            check(f"{language}: stream", ([kind for kind, _ in frames], frames[2][1].decode()), (["prelude", "chunk", "chunk", "end"], "é"))
        check(f"{language}: end", running.end(), 0)
    with start(HANDLERS[language]) as running:
        running.ready()
        running.send('{"do":"exit"}')
        check(f"{language}: exit", running.process.wait(PATIENCE), 3)
    with start(SPOILING[language]) as running:
        running.ready()
        for event in ("1", "2", "3"):
            trace = f"Root={event}"
            check(f"{language}: spoilt: {running.logged()}", value(running.invoke(event, trace_id=trace)), int(event))
    if language in DIRECTLY:
        with start(DIRECTLY[language]) as running:
            running.ready()
            check(f"{language}: is not what is run", (value(running.invoke("1")), running.logged()), (1, ""))
    form, odd = ODD[language]
    for raised, part in odd.items():
        with start(form % raised) as running:
            running.ready()
            for _ in range(2):
                kind, body = running.invoke("1")
                message = json.loads(body)["errorMessage"]
                check(f"{language}: {raised}: {message}", (kind, part in message), ("error", True))
    form, leaving = LEAVING.get(language, ("", {}))
    for does, (kind, part) in leaving.items():
        with start(form % does) as running:
            running.ready()
            seen, body = running.invoke("1")
            check(f"{language}: {does}: {body}", (seen, part in body.decode()), (kind, True))
            check(f"{language}: after {does}", value(running.invoke("2")), 2)
    with start(HANDLERS[language]) as running:
        running.ready()
        for event in (b'"\xff"', b'"a\0b"'):
            running.invoke(event)
            check(f"{language}: after {event}", value(running.invoke("2")), 2)
    asking, same = RAW[language]
    for source, variables in ((asking + same, {}), (same, {"LAMBWIRE_BYTES": "1"}), (same, {"LAMBWIRE_BYTES": ""})):
        with start(source, **variables) as running:
            is_asked = variables.get("LAMBWIRE_BYTES") != ""
            check(f"{language}: asks for bytes, {variables}", running.ready().get("bytes", False), is_asked)
            check(f"{language}: JSON, {variables}", json.loads(running.invoke('["é"]')[1]), ["é"])
            for size in RAW_SIZES if is_asked else []:
                event = every_byte(size)
                kind, body = running.invoke(event)
                check(f"{language}: {size} bytes, {kind} {body[:100]}", (kind, body == event), ("bytes", True))
    with start(HOOKS[language]) as running:
        running.ready()
        for kind in ("before-snapshot", "after-restore"):
            check(f"{language}: {kind}", running.hooks(kind), ("done", "-", b""))
        check(f"{language}: after hooks", value(running.invoke("1")), 1)
        Path(root, "fail").touch()
        seen, request_id, body = running.hooks("before-snapshot")
        check(f"{language}: a hook that fails: {body}", (seen, request_id, b"on purpose" in body), ("error", "-", True))
        os.remove(os.path.join(root, "fail"))
        running.end()
        check(f"{language}: hooks", running.logged().split()[:3], ["before", "after", "before"])
    drawn = []
    for kinds in ([], [], ["before-snapshot", "after-restore"], ["before-snapshot", "after-restore"]):
        with start(SEEDED[language], options=SEED_OPTIONS.get(language, [])) as running:
            running.ready()
            for kind in kinds:
                check(f"{language}: {kind}", running.hooks(kind), ("done", "-", b""))
            drawn.append(value(running.invoke("1")))
    check(f"{language}: the same seed: {drawn}", drawn[0] == drawn[1] or language in NEVER_SEEDED, True)
    check(f"{language}: another seed: {drawn}", drawn[2] != drawn[3], True)
    for is_signalled in (True, False) if language in CAREFUL else ():
        with start(CAREFUL[language]) as running:
            check(f"{language}: SIGTERM is wanted", running.ready()["sigterm"], True)
            check(f"{language}: before the end", value(running.invoke("1")), 1)
            if is_signalled:
                running.process.send_signal(signal.SIGTERM)
            said = (running.end(), [line for line in running.logged().split() if line in ("closing", "closed")])
            check(f"{language}: the end", said, (0, ["closing", "closed"] if is_signalled else []))
    # Tcl looks at a signal when what it reads has come, or has ended, as it does on Lambda.
    if language in CAREFUL and language != "tcl":
        with start(CAREFUL[language]) as running:
            running.ready()
            running.process.send_signal(signal.SIGTERM)
            running.wait_for_log("closed")
    with start(HANDLERS[language]) as running:
        check(f"{language}: SIGTERM is not wanted", running.ready().get("sigterm", False), False)
        running.process.send_signal(signal.SIGTERM)
        check(f"{language}: SIGTERM", running.end() in (0, -signal.SIGTERM), True)
    with start(HANDLERS[language], "none") as running:
        kind, request_id, body = running.hear()
        check(f"{language}: no function", (kind, request_id, json.loads(body)["errorType"]), ("fatal", "-", "Runtime.HandlerNotFound"))
        check(f"{language}: no function", running.process.wait(PATIENCE), 1)
    with start(BROKEN[language]) as running:
        kind, request_id, body = running.hear()
        check(f"{language}: broken {body}", (kind, request_id, bool(json.loads(body)["errorMessage"])), ("fatal", "-", True))


def expect_error(language, answer):
    check(f"{language}: {answer[1][:200]!r}", answer[0], "error")
    return answer[1]


def under_bootstrap(language, bootstrap):
    """The example as it is shipped: its worker is named, and then lies in a folder beside the handler."""
    folder = folder_of(language)
    worker = next(name for name in os.listdir(folder) if name.startswith("worker."))
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "workers"))
        shutil.copy(os.path.join(folder, worker), os.path.join(root, "workers"))
        for name in os.listdir(folder):
            if name.startswith("app."):
                shutil.copy(os.path.join(folder, name), root)
        for arguments, task_root in (([], root), (["--worker", worker], folder)):
            if language in FOLDERS:
                arguments = ["--interpreter", language, *arguments]
            command = [bootstrap, "invoke", *arguments, "app.handler", '{"a":["é"]}']
            environment = {**os.environ, "LAMBDA_TASK_ROOT": task_root, "LC_ALL": "C.UTF-8"}
            answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout
            check(f"{language} under the bootstrap", json.loads(answer), {"got": {"a": ["é"]}})


def main(bootstrap, *languages):
    for language in languages or sorted(HANDLERS):
        with tempfile.TemporaryDirectory() as root:
            pipes(language, root)
        if bootstrap != "-":
            under_bootstrap(language, bootstrap)
        print(f"{language} ... ok", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main(*sys.argv[1:])
