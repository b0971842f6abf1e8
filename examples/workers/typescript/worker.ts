// lambwire-worker: extension=ts interpreter=bun interpreter=deno pipes=path option=run option=--allow-all
// The worker for a function in TypeScript, run by Bun or by Deno: `export function handler(event, context)`. It speaks the
// worker protocol (docs/worker-protocol.md). With LAMBWIRE_BYTES, the event is a Uint8Array, and one that is returned is sent as
// it stands. What it needs of the global scope it takes before the file is loaded. Deno
// wants to be granted everything; Bun does not ask.
import { closeSync, openSync, read, readSync, writeSync } from "node:fs";
import process from "node:process";

const { env, exit } = process;
const { parse, stringify } = JSON;
const { setTimeout, clearTimeout, Uint8Array } = globalThis;
const encoder = new TextEncoder(), decoder = new TextDecoder();
const encode = encoder.encode.bind(encoder), decode = decoder.decode.bind(decoder);
// deno-lint-ignore no-explicit-any
const bare = (method: any) => Function.prototype.call.bind(method);
const split = bare(String.prototype.split), now = Date.now;
const { subarray, slice, indexOf, set } = Uint8Array.prototype;
const [part, copy, find, put] = [subarray, slice, indexOf, set].map(bare);
const [file, name] = [env.LAMBWIRE_FILE!, env.LAMBWIRE_FUNCTION!];
// Deno takes no descriptor that it has not opened itself.
const [events, answers] = [["EVENTS", "r"], ["ANSWERS", "w"]].map(([each, mode]) =>
  openSync(`/proc/self/fd/${env[`LAMBWIRE_${each}_FD`]}`, mode)
);
const ownPath = new URL(import.meta.url).pathname;

// --- Context

function contextOf(line: string) {
  const context = parse(line);
  if (context.trace_id === null) delete env._X_AMZN_TRACE_ID;
  else env._X_AMZN_TRACE_ID = context.trace_id;
  context.getRemainingTimeInMillis = () => Math.max(0, context.deadline_ms - now());
  return context;
}

// --- Frames

// How long a signal may be on its way.
const SIGNAL_MS = 500;

// A pipe holds as much; it is read at once.
let received = new Uint8Array(65536), start = 0, end = 0;

// Whether the function takes whatever comes.
let isRaw = false;

// Have so many bytes been received, if there are any more? Reading waits without holding up what the handler has begun.
async function fill(length: number) {
  if (start + length > received.length) {
    const whole = new Uint8Array(Math.max(length, 65536));
    put(whole, part(received, start, end));
    [received, start, end] = [whole, 0, end - start];
  }
  while (end - start < length) {
    const count = await new Promise<number>((done, failed) =>
      read(events, received, end, received.length - end, null, (error, count) => error ? failed(error) : done(count))
    );
    if (count === 0) return false;
    end += count;
  }
  return true;
}

async function receive() {
  let headEnd = -1;
  for (let length = 1; headEnd < 0; length = end - start + 1) {
    if (!(await fill(length))) return null;
    headEnd = find(part(received, start, end), 10);
  }
  const [kind, id, contextText, bodyText] = split(decode(part(received, start, start + headEnd)), " ");
  const contextLength = +contextText, bodyLength = +bodyText;
  start += headEnd + 1;
  await fill(contextLength + bodyLength);
  const context = decode(part(received, start, start += contextLength));
  const body = (isRaw ? copy : part)(received, start, start += bodyLength);
  return { kind, id, context, body: isRaw ? body : decode(body) };
}

function writeFrame(kind: string, id: string, body: string | Uint8Array = "") {
  const bytes = typeof body === "string" ? encode(body) : body;
  writeAll(encode(`${kind} ${id} ${bytes.length}\n`));
  writeAll(bytes);
}

function writeAll(rest: Uint8Array) {
  while (rest.length) rest = part(rest, writeSync(answers, rest));
}

// --- Reports

// An error's cause has a cause in turn: so many are reported.
const CAUSES = 10;

// deno-lint-ignore no-explicit-any
function report(error: any, causes = CAUSES): object {
  // Whatever belongs to an error may throw in turn.
  try {
    if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), stackTrace: [] };
    const stackTrace = `${error.stack ?? ""}`.split("\n").filter((line) => /^\s+at /.test(line) && !line.includes(ownPath));
    const cause = error.cause === undefined || causes === 0 ? {} : { cause: report(error.cause, causes - 1) };
    return { errorType: `${error.name}`, errorMessage: `${error.message}`, stackTrace: stackTrace.map((line) => line.trim()), ...cause };
  } catch {
    return { errorType: "Error", errorMessage: "its text cannot be had", stackTrace: [] };
  }
}

// --- Load

// deno-lint-ignore no-explicit-any
let module: any;

async function load() {
  try {
    module = await import(`file://${file}`);
    const within = (exported: unknown) => name.split(".").reduce((found, part) => found?.[part], exported as any);
    const handler = within(module) ?? within(module.default);
    if (typeof handler === "function") return handler;
    throw Object.assign(new Error(`no function ${name} in ${file}`), { name: "Runtime.HandlerNotFound", stack: "" });
  } catch (error) {
    writeFrame("fatal", "-", stringify(report(error)));
    exit(1);
  }
}

// --- Invocations

// deno-lint-ignore no-explicit-any
async function serve(handler: any, id: string, context: string, body: any) {
  try {
    const result = await handler(isRaw ? body : parse(body), contextOf(context));
    if (isRaw && result instanceof Uint8Array) return writeFrame("bytes", id, result);
    if (!(result?.[Symbol.asyncIterator] || result?.next)) {
      return writeFrame("result", id, stringify(result) ?? "null");
    }
    let index = 0;
    for await (const piece of result) {
      if (typeof piece === "string" || piece instanceof Uint8Array) writeFrame("chunk", id, piece);
      else if (index === 0) writeFrame("prelude", id, stringify(piece));
      else throw new TypeError(`a stream has texts and bytes; its piece ${index} is of type ${typeof piece}`);
      index++;
    }
    writeFrame("end", id);
  } catch (error) {
    writeFrame("error", id, stringify(report(error)));
  }
}

// --- Snapshots

// Every environment that starts from a snapshot would draw the same numbers. No generator of an interpreter can be seeded
// anew, so another takes its place: sfc32 (Chris Doty-Humphrey, PractRand).
function renewRandom() {
  const seed = new Int32Array(4), random = openSync("/dev/urandom", "r");
  readSync(random, new Uint8Array(seed.buffer));
  closeSync(random);
  let [a, b, c, d] = seed;
  const draw = () => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  // 53 bits, as many as a fraction has.
  Reflect.set(Math, "random", () => ((draw() >>> 5) * 2 ** 26 + (draw() >>> 6)) / 2 ** 53);
}

// Runs what the file exports for it.
async function runHook(kind: string) {
  try {
    if (kind === "after-restore") renewRandom();
    await (kind === "after-restore" ? module.afterRestore : module.beforeSnapshot)?.();
    writeFrame("done", "-");
  } catch (error) {
    writeFrame("error", "-", stringify(report(error)));
  }
}

// --- Main loop

for (const each of ["FILE", "FUNCTION", "EVENTS_FD", "ANSWERS_FD"]) delete env[`LAMBWIRE_${each}`];
const handler = await load();
const listens = process.listenerCount("SIGTERM") > 0;
const signalled = new Promise<void>((done) => listens && process.once("SIGTERM", () => done()));
isRaw = Boolean(env.LAMBWIRE_BYTES);
writeFrame("ready", "-", stringify({ sigterm: listens, bytes: isRaw }));
for (let frame; (frame = await receive());) {
  if (frame.kind === "event") await serve(handler, frame.id, frame.context, frame.body);
  else await runHook(frame.kind);
}
// A listener of SIGTERM has the time that is left: the process ends when nothing is left to wait for. The signal was sent
// before events ended, but takes another way.
const timer = setTimeout(exit, listens ? SIGNAL_MS : 0);
await signalled;
clearTimeout(timer);
