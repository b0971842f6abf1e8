// Speaks the worker protocol for a function in a JavaScript file, a module or not.
const { writeSync } = require('fs'), { once } = require('events'), { Socket } = require('net');
const { LAMBWIRE_EVENTS_FD: fd, LAMBWIRE_ANSWERS_FD, LAMBWIRE_FILE: file, LAMBWIRE_FUNCTION: name } = process.env;

let id = '-';
function say(kind, body = '') {
  let rest = Buffer.concat([Buffer.from(`${kind} ${id} ${Buffer.byteLength(body)}\n`), Buffer.from(body)]);
  while (rest.length > 0) rest = rest.subarray(writeSync(Number(LAMBWIRE_ANSWERS_FD), rest));
}
const report = (kind, errorType, errorMessage, stackTrace) => say(kind, JSON.stringify({ errorType, errorMessage, stackTrace }));
function fail(error, kind = 'error') {
  if (!(error instanceof Error)) return report(kind, 'Error', typeof error === 'string' ? error : String(JSON.stringify(error)), []);
  const stack = String(error.stack).replace(`${error.name}: ${error.message}`, '').split('\n').map((line) => line.trim());
  report(kind, error.name, error.message, stack.filter((line) => line && !/\[eval\]|\(?node:/.test(line)));
}
const isBytes = (value) => typeof value === 'string' || value instanceof Uint8Array;
const end = (error) => process.exit(fail(error, 'fatal') ?? 1);
async function load() {
  const module = await import(require('url').pathToFileURL(file)).catch((error) => { // `--check` tells the line, in the log.
    if (error instanceof SyntaxError) require('child_process').spawnSync(process.execPath, ['--check', file], { stdio: 'inherit' });
    throw error;
  });
  const found = [module, module.default].map((exports) => name.split('.').reduce((at, key) => at?.[key], exports));
  for (const handler of found) if (typeof handler === 'function') return handler;
  process.exit(report('fatal', 'Runtime.HandlerNotFound', `no function ${name} in ${file}`, []) ?? 1);
}
async function answer(handler, context, event) {
  delete process.env._X_AMZN_TRACE_ID;
  if (context.trace_id !== null) process.env._X_AMZN_TRACE_ID = context.trace_id;
  for (const key of Object.keys(context)) context[key.replace(/_(mb$|.)/g, (_, next) => next.toUpperCase())] ??= context[key];
  context.getRemainingTimeInMillis = () => Math.max(0, context.deadline_ms - Date.now());
  event = JSON.parse(event);
  const result = await (handler.length < 3 ? handler(event, context) : new Promise((resolve, reject) =>
    handler(event, context, (error, value) => (error ? reject(error) : resolve(value)))));
  if (typeof result?.next === 'function') {
    for await (const piece of result) {
      isBytes(piece) ? say('chunk', piece) : say('prelude', JSON.stringify(piece));
    }
    say('end');
  } else isBytes(result) ? say('text', result) : say('result', JSON.stringify(result) ?? 'null');
}
async function serve() {
  const handler = await load(), events = new Socket({ fd: Number(fd), writable: false });
  events.on('end', () => process.exit());
  process.on('beforeExit', () => end(new Error('nothing is left to wait for, and the handler has not answered')));
  async function take(length) {
    for (let bytes; ; await once(events, 'readable')) if ((bytes = length ? events.read(length) : Buffer.alloc(0))) return bytes;
  }
  for (say('ready'); ; events.ref()) {
    let head = '';
    while (!head.endsWith('\n')) head += await take(1);
    const [, next, contextLength, eventLength] = head.split(' ');
    const context = JSON.parse(await take(Number(contextLength))), event = await take(Number(eventLength));
    id = next;
    events.unref();
    await answer(handler, context, event).catch(fail);
  }
}
process.on('uncaughtException', end);
serve().catch(end);
