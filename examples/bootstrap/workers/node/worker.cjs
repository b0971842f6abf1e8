// Runs a function in a JavaScript file, a module or not: speaks the worker protocol (docs/worker-protocol.md), and treats
// the function as AWS's own client for Node does. In order: context, frames, reports, loading, invoking, streams, logging,
// hooks, main loop.
//
// What the loop needs is taken here, before a user's code runs, which may change every global and every prototype. For the
// same reason the loop does without iterators, methods of arrays and regular expressions.
(() => {
  'use strict';
  const nodeRequire = require;
  const { BigInt, Buffer, Date, Error, Function, JSON, Number, Object, Promise, String, Symbol, SyntaxError, TypeError, Uint8Array,
    console, process, setImmediate } = globalThis;
  const { isArray } = globalThis.Array;
  const bare = (method) => Function.prototype.call.bind(method);
  const methods = (prototype, ...names) => names.map((name) => bare(prototype[name]));
  const { assign, defineProperty, getOwnPropertyDescriptor } = Object;
  const { parse, stringify } = JSON;
  const { now } = Date;
  const { apply, set } = Reflect;
  const [split, indexOf, replaceAll] = methods(String.prototype, 'split', 'indexOf', 'replaceAll');
  const [utf8Slice, latin1Slice, utf8Write, latin1Write, find, copy, writeUInt32BE, writeBigUInt64BE] = methods(
    Buffer.prototype, 'utf8Slice', 'latin1Slice', 'utf8Write', 'latin1Write', 'indexOf', 'copy', 'writeUInt32BE', 'writeBigUInt64BE');
  const [timeText] = methods(Date.prototype, 'toISOString');
  const [on, listenerCount] = methods(process, 'on', 'listenerCount');
  const { allocUnsafeSlow, concat, byteLength, from: bytesOf } = Buffer;
  const [part] = methods(Uint8Array.prototype, 'subarray');
  const { writeSync, write: writeLater } = require('fs');
  const { format, types: { isNativeError } } = require('util');
  const { Socket } = require('net');
  const [ref, unref] = methods(Socket.prototype, 'ref', 'unref');
  const exit = process.exit.bind(process);
  const sleepMs = Atomics.wait.bind(null, new Int32Array(new SharedArrayBuffer(4)), 0, 0);

  const { env } = process, nodeVersion = parseInt(process.versions.node);
  const eventsFd = Number(env.LAMBWIRE_EVENTS_FD), answersFd = Number(env.LAMBWIRE_ANSWERS_FD);
  // Where each record of the log is a frame, if Lambda has it so.
  const recordsFd = Number(env._LAMBDA_TELEMETRY_LOG_FD);
  const { LAMBWIRE_FILE: named, LAMBWIRE_FUNCTION: functionName } = env;
  // The file of a package, which has a name, is still to be found.
  let file = named;
  // How many events may be under way at a time.
  const concurrency = Number(env.LAMBWIRE_CONCURRENCY) || 1;
  // What each event's code finds its own invocation by, if there may be several.
  const storage = concurrency > 1 ? new (require('async_hooks').AsyncLocalStorage)() : null;
  // The invocation that is under way, if there may be but one.
  let current = null;
  const running = () => {
    const own = storage === null ? current : storage.getStore()?.invocation;
    return own && !own.isAnswered ? own : null;
  };

  // ---- Context

  // What a context has besides what AWS's has, out of the way: the names that all languages share.
  const SHARED_KEYS = ['function_name', 'function_version', 'invoked_function_arn', 'memory_limit_in_mb', 'aws_request_id',
    'log_group_name', 'log_stream_name', 'deadline_ms', 'trace_id', 'x_amzn_trace_id', 'tenant_id', 'client_context'];

  function contextOf(fields, answering) {
    const known = (value) => value ?? undefined;
    const deadline = fields.deadline_ms;
    const context = {
      callbackWaitsForEmptyEventLoop: true,
      ...answering,
      functionVersion: known(fields.function_version),
      functionName: known(fields.function_name),
      memoryLimitInMB: known(fields.memory_limit_in_mb),
      logGroupName: known(fields.log_group_name),
      logStreamName: known(fields.log_stream_name),
      clientContext: known(fields.client_context),
      identity: known(fields.identity),
      invokedFunctionArn: known(fields.invoked_function_arn),
      awsRequestId: known(fields.aws_request_id),
      tenantId: known(fields.tenant_id),
      getRemainingTimeInMillis: () => deadline - now(),
    };
    for (let at = 0; at < SHARED_KEYS.length; at++) hide(context, SHARED_KEYS[at], known(fields[SHARED_KEYS[at]]));
    hide(context, 'xRayTraceId', known(fields.trace_id), isNewer);
    return context;
  }

  function hide(object, key, value, enumerable = false) {
    defineProperty(object, key, { __proto__: null, value, writable: true, configurable: true, enumerable });
  }

  // ---- Frames

  // What is read, and mostly what is written, at a time, in bytes: as much as a pipe holds.
  const ROOM_BYTES = 65536;
  // Room for the first line of an answer, in bytes, of which a request id takes 128 at most.
  const HEAD_BYTES = 192;
  // Most bytes that one unit of a string takes as UTF-8.
  const UNIT_BYTES = 3;
  // Most bytes of a piece of a stream in one frame: there is a largest frame, but no largest piece.
  const PIECE_BYTES = 1024 * 1024;
  const LINE_FEED = 10;
  const incoming = allocUnsafeSlow(ROOM_BYTES), outgoing = allocUnsafeSlow(ROOM_BYTES);

  // The beginning of a first line, and the frame of which some bytes are still to come.
  let line = '', partial = null;

  // Takes what was read: the first `length` bytes, which the next read overwrites.
  function take(length, bytes) {
    for (let at = 0; at < length; ) {
      if (partial === null) {
        const end = find(bytes, LINE_FEED, at);
        if (end < 0 || end >= length) {
          line += latin1Slice(bytes, at, length);
          break;
        }
        const frame = frameOf(line + latin1Slice(bytes, at, end));
        line = '';
        at = end + 1;
        if (frame.length <= length - at) {
          at += frame.length;
          receive(frame, bytes, at - frame.length);
          continue;
        }
        partial = frame;
        frame.bytes = allocUnsafeSlow(frame.length);
      }
      const taken = copy(bytes, partial.bytes, partial.filled, at, length);
      at += taken;
      partial.filled += taken;
      if (partial.filled === partial.length) {
        const frame = partial;
        partial = null;
        receive(frame, frame.bytes, 0);
      }
    }
    return true;
  }

  // Reads `KIND ID CONTEXT_LENGTH BODY_LENGTH`.
  function frameOf(head) {
    const words = split(head, ' ');
    const contextLength = +words[2], length = contextLength + +words[3];
    if (words.length !== 4 || !(length >= 0)) throw new Error(`expected a frame of the worker protocol, found '${head}'`);
    return { kind: words[0], id: words[1], contextLength, length, bytes: null, filled: 0 };
  }

  function receive(frame, bytes, at) {
    const line = utf8Slice(bytes, at, at + frame.contextLength);
    const body = isRaw
      ? bytesOf(part(bytes, at + frame.contextLength, at + frame.length))
      : utf8Slice(bytes, at + frame.contextLength, at + frame.length);
    if (frame.kind === 'event') invoke(frame.id, line, body);
    else runHooks(frame.kind);
  }

  // Frames that are written behind each other while the loop goes on, and the bytes of all of them.
  let queue = null, last = null, queuedBytes = 0;

  // Writes a frame. Returns when it is written, or when it stands behind those that `sendLater` was given.
  function send(kind, id, body = '') {
    if (queue !== null) return sendLater(kind, id, body, null);
    if (typeof body !== 'string' || body.length > (ROOM_BYTES - HEAD_BYTES) / UNIT_BYTES) {
      const bytes = frameBytes(kind, id, body);
      return writeAll(answersFd, bytes, 0, bytes.length);
    }
    const length = utf8Write(outgoing, body, HEAD_BYTES);
    const head = `${kind} ${id} ${length}\n`;
    latin1Write(outgoing, head, HEAD_BYTES - head.length);
    writeAll(answersFd, outgoing, HEAD_BYTES - head.length, HEAD_BYTES + length);
  }

  function frameBytes(kind, id, body) {
    const isText = typeof body === 'string';
    const length = isText ? byteLength(body) : body.length;
    const head = `${kind} ${id} ${length}\n`;
    const bytes = allocUnsafeSlow(head.length + length);
    latin1Write(bytes, head, 0);
    if (isText) utf8Write(bytes, body, head.length);
    else copy(body, bytes, head.length);
    return bytes;
  }

  // Sends a piece of an answer while the loop goes on, and then calls `done`.
  function sendPiece(id, piece, done) {
    const bytes = typeof piece === 'string' ? bytesOf(piece, 'utf8') : piece;
    let at = 0;
    for (; bytes.length - at > PIECE_BYTES; at += PIECE_BYTES) sendLater('chunk', id, part(bytes, at, at + PIECE_BYTES), null);
    sendLater('chunk', id, part(bytes, at, bytes.length), done);
  }

  // Writes a frame while the loop goes on, and then calls `done`, if it is not null.
  function sendLater(kind, id, body, done) {
    const item = { bytes: frameBytes(kind, id, body), at: 0, done, next: null };
    queuedBytes += item.bytes.length;
    if (queue === null) writeQueue((queue = last = item));
    else last = last.next = item;
  }

  function writeQueue(item) {
    writeLater(answersFd, item.bytes, item.at, item.bytes.length - item.at, null, (error, written) => {
      if (error && error.code !== 'EAGAIN') return exit(1);
      item.at += written ?? 0;
      if (item.at < item.bytes.length) return writeQueue(item);
      queuedBytes -= item.bytes.length;
      queue = item.next;
      if (queue !== null) writeQueue(queue);
      if (item.done !== null) item.done();
    });
  }

  function writeAll(fd, bytes, at, end) {
    while (at < end) {
      try {
        at += writeSync(fd, bytes, at, end - at);
      } catch (error) {
        // Whoever shares a descriptor may have it so that writing does not block.
        if (error.code === 'EAGAIN') sleepMs(1);
        else if (fd === answersFd) exit(1);
        else return;
      }
    }
  }

  // ---- Reports

  // How deep the causes of an error are reported.
  const CAUSES = 8;

  const runtimeError = (name) => {
    const type = { [name]: class extends Error {} }[name];
    defineProperty(type.prototype, 'name', { value: `Runtime.${name}`, configurable: true, writable: true });
    return type;
  };
  const ImportModuleError = runtimeError('ImportModuleError');
  const HandlerNotFound = runtimeError('HandlerNotFound');
  const UserCodeSyntaxError = runtimeError('UserCodeSyntaxError');
  const MalformedStreamingHandler = runtimeError('MalformedStreamingHandler');
  const InvalidStreamingOperation = runtimeError('InvalidStreamingOperation');
  const JSONStringifyError = runtimeError('JSONStringifyError');
  const UnhandledPromiseRejection = runtimeError('UnhandledPromiseRejection');

  function reportOf(error, depth = 0) {
    const printable = (text) => replaceAll(text, '\x7f', '%7F');
    try {
      if (!isError(error)) return { errorType: typeof error, errorMessage: `${error.toString()}`, trace: [] };
      const report = { errorType: printable(error.name), errorMessage: printable(error.message), trace: [] };
      if (typeof error.stack === 'string') report.trace = stackLines(printable(error.stack));
      if (error.cause !== undefined && error.cause !== null && depth < CAUSES) report.cause = reportOf(error.cause, depth + 1);
      return report;
    } catch {
      const errorMessage = 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack';
      return { errorType: 'handled', errorMessage, trace: [] };
    }
  }

  function isError(value) {
    return isNativeError(value) || (value && typeof value.name === 'string' && typeof value.message === 'string' && typeof value.stack === 'string');
  }

  // The lines of a stack, without those of this program.
  function stackLines(stack) {
    const all = split(stack, '\n'), lines = [];
    for (let at = 0; at < all.length; at++) if (indexOf(all[at], '[eval]') < 0) lines[lines.length] = all[at];
    return lines;
  }

  // Tells the bootstrap of an error that leaves this process in no state to go on, and ends it.
  function fatal(error, status) {
    const id = running()?.id ?? '-', report = stringify(reportOf(error));
    if (queue !== null) return sendLater('fatal', id, report, () => exit(status));
    send('fatal', id, report);
    exit(status);
  }

  // ---- Loading

  async function load() {
    addModulePaths();
    let module;
    try {
      if (named[0] !== '/') file = findPackage();
      module = await loadFile();
    } catch (error) {
      if (error instanceof SyntaxError) throw syntaxError(error);
      const isMissing = error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND';
      throw isMissing ? new ImportModuleError(error) : error;
    }
    const resolve = (exported) => functionName.split('.').reduce((value, key) => value && value[key], exported);
    const found = resolve(module) ?? resolve(module?.default);
    if (typeof found === 'function') return found;
    const { dir, name } = nodeRequire('path').parse(file === named ? nodeRequire('path').relative(env.LAMBDA_TASK_ROOT ?? '', file) : named);
    const what = `${dir && `${dir}/`}${name}.${functionName}`;
    throw new HandlerNotFound(`${what} is ${found ? 'not a function' : 'undefined or not exported'}`);
  }

  // As AWS's client does: a folder, or a package as it is found from the task root, and from the folder before the name.
  function findPackage() {
    const path = nodeRequire('path');
    if (nodeRequire('fs').existsSync(path.resolve(named))) return nodeRequire.resolve(path.resolve(named));
    return nodeRequire.resolve(path.basename(named), { paths: [process.cwd(), path.resolve(path.dirname(named))] });
  }

  // Where AWS's images have packages: in layers, and beside the function.
  function addModulePaths() {
    if (env.NODE_PATH !== undefined) return;
    env.NODE_PATH = [`/opt/nodejs/node${nodeVersion}/node_modules`, '/opt/nodejs/node_modules', env.LAMBDA_TASK_ROOT ?? ''].join(':');
    nodeRequire('module')._initPaths();
  }

  // A module that is none of the newer kind is required: that loads in half the time.
  async function loadFile() {
    if (!isModule()) {
      try {
        return nodeRequire(file);
      } catch (error) {
        if (error?.code !== 'ERR_REQUIRE_ESM' && error?.code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
      }
    }
    return import(nodeRequire('url').pathToFileURL(file));
  }

  // Whether it is of the newer kind: by its name, or by the nearest package.json.
  function isModule() {
    if (!file.endsWith('.js')) return file.endsWith('.mjs');
    const { existsSync, readFileSync } = nodeRequire('fs'), path = nodeRequire('path');
    for (let folder = path.dirname(file); !folder.endsWith('/node_modules'); folder = path.dirname(folder)) {
      const description = path.join(folder, 'package.json');
      if (existsSync(description)) return parse(readFileSync(description, 'utf8'))?.type === 'module';
      if (folder === '/') break;
    }
    return false;
  }

  // Node keeps to itself in which line of a module a syntax error is, unless it ends of it.
  function syntaxError(error) {
    const report = new UserCodeSyntaxError(error);
    let stack = String(error.stack);
    if (indexOf(stack, '.js:') < 0 && indexOf(stack, file) < 0) {
      const { stderr } = nodeRequire('child_process').spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
      stack = `${split(String(stderr), '\n\n')[0]}\n\n${stack}`;
    }
    report.stack = stack;
    return report;
  }

  // ---- Invoking

  // Node from which on AWS has its newer client, which takes a value that is returned, and not promised, for the answer.
  const NEWER_FROM = 24;
  const isNewer = nodeVersion >= NEWER_FROM, valuesCount = storage !== null || isNewer;

  // Whether events are handed over as bytes, and answers that are bytes sent as they stand.
  let isRaw = false;
  let handler = null, isStreaming = false, highWaterMark;

  class Invocation {
    constructor(id, fields) {
      this.id = id;
      this.fields = fields;
      // Whether a callback was called, of which the first call alone counts.
      this.isCalled = false;
      this.isAnswered = false;
      this.value = undefined;
      // What is done when nothing is left to wait for.
      this.whenEmpty = () => this.succeed(this.value);
      this.context = null;
    }

    // What a handler is given as third parameter.
    callback(error, value) {
      if (this.isCalled) return;
      if (error === undefined || error === null) {
        this.isCalled = true;
        if (storage !== null || !this.context.callbackWaitsForEmptyEventLoop) this.succeed(value);
        else this.whenEmpty = () => this.succeed(value);
      } else this.done(error);
    }

    done(error, value) {
      if (this.isCalled) return;
      this.isCalled = true;
      if (error === undefined || error === null) this.succeed(value);
      else this.fail(error);
    }

    succeed(value) {
      if (this.isAnswered) return;
      if (typeof value?.next === 'function') {
        this.isCalled = true;
        return void sendPieces(this, value);
      }
      if (isRaw && value instanceof Uint8Array) return this.end('bytes', value);
      let body;
      try {
        body = stringify(value) ?? 'null';
      } catch (cause) {
        return this.fail(new (isNewer ? JSONStringifyError : Error)('Unable to stringify response body', { cause }));
      }
      this.end('bytes', body);
    }

    fail(error) {
      if (this.isAnswered) return;
      logError('Invoke Error', error);
      this.end('error', stringify(reportOf(error)));
    }

    // Gives the last frame of the answer.
    end(kind, body) {
      this.isCalled = this.isAnswered = true;
      send(kind, this.id, body);
      if (storage === null) {
        current = null;
        ref(events);
      }
    }
  }

  function invoke(id, line, body) {
    const invocation = new Invocation(id, null);
    if (storage === null) {
      current = invocation;
      unref(events);
      keepListening();
    }
    try {
      invocation.fields = parse(line);
      const { trace_id: traceId, tenant_id: tenantId } = invocation.fields;
      const store = { [REQUEST_ID]: id, [X_RAY_TRACE_ID]: traceId ?? undefined, [TENANT_ID]: tenantId ?? undefined };
      if (storage !== null) {
        hide(store, 'invocation', invocation);
        return void storage.run(store, start, invocation, body);
      }
      // Either may be frozen.
      set(invokeStore, 'currentContext', store);
      set(globalThis, LOGGED_REQUEST_ID, id);
      set(globalThis, LOGGED_TENANT_ID, tenantId ?? undefined);
      if (traceId) env._X_AMZN_TRACE_ID = traceId;
      else delete env._X_AMZN_TRACE_ID;
      start(invocation, body);
    } catch (error) {
      invocation.fail(error);
    }
  }

  const eventOf = (body) => (isRaw ? body : body === '' ? {} : parse(body));

  function start(invocation, body) {
    if (isStreaming) return void startStreaming(invocation, body);
    const callback = (error, value) => invocation.callback(error, value);
    invocation.context = contextOf(invocation.fields, {
      succeed: (value) => invocation.done(null, value),
      fail: (error) => invocation.done(error ?? 'handled'),
      done: (error, value) => invocation.done(error, value),
    });
    try {
      const result = handler(eventOf(body), invocation.context, callback);
      if (typeof result?.then === 'function') return void settle(invocation, result);
      const counts = handler.length < 3 && valuesCount;
      if (counts || typeof result?.next === 'function') invocation.done(null, result);
      else invocation.value = result;
    } catch (error) {
      callback(error);
    }
  }

  async function settle(invocation, promise) {
    let value;
    try {
      value = await promise;
    } catch (error) {
      return invocation.done(error ?? 'handled');
    }
    invocation.done(null, value);
  }

  // ---- Streams

  // How many bytes of an answer wait for the bootstrap before a generator is kept waiting.
  const QUEUED_BYTES = 65536;
  const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
  // What stands between the prelude and the body.
  const DELIMITER = Buffer.alloc(8);
  const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
  const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

  // Sends what a generator yields: strings and bytes as they are, and an object in first place as the prelude.
  async function sendPieces(invocation, pieces) {
    const { id } = invocation;
    invocation.whenEmpty = () => invocation.fail(new Error('nothing is left to wait for, and the generator has not ended'));
    try {
      for (let isFirst = true; ; isFirst = false) {
        const { done, value } = await pieces.next();
        if (invocation.isAnswered) return;
        if (done) return void invocation.end('end', '');
        const piece = await value;
        if (typeof piece === 'string' || piece instanceof Uint8Array) {
          const written = new Promise((resolve) => sendPiece(id, piece, resolve));
          if (queuedBytes > QUEUED_BYTES) await written;
        } else if (isFirst && typeof piece === 'object' && piece !== null && !isArray(piece)) {
          send('prelude', id, stringify(piece));
        } else {
          throw new TypeError(`expected a string or bytes from the generator, found ${format('%O', piece)}`);
        }
      }
    } catch (error) {
      invocation.fail(error);
      pieces.return?.();
    }
  }

  function startStreaming(invocation, body) {
    invocation.context = contextOf(invocation.fields, null);
    const stream = new ResponseStream(invocation);
    let isSettled = false;
    const endIfDone = () => {
      if (isSettled && stream.writableFinished && !invocation.isAnswered) invocation.end('end', '');
    };
    const fail = (error) => {
      invocation.fail(error);
      stream.destroy();
    };
    invocation.whenEmpty = () => {
      isSettled = true;
      if (stream.writableFinished) endIfDone();
      else fail('Response stream is not finished.');
    };
    stream.on('finish', endIfDone);
    stream.on('error', fail);
    const run = async () => {
      const result = handler(eventOf(body), stream, invocation.context);
      if (typeof result?.then !== 'function') throw 'Streaming does not support non-async handlers.';
      if ((await result) !== undefined) console.warn('Streaming handlers ignore return values.');
      isSettled = true;
      endIfDone();
    };
    run().catch(fail);
  }

  // What a streaming handler writes to. It is made when there is such a handler: streams are slow to load.
  let ResponseStream = null;

  function defineResponseStream() {
    const { Writable } = nodeRequire('stream');
    ResponseStream = class ResponseStream extends Writable {
      #invocation;
      #isBegun = false;
      #type = null;
      // What was written before the delimiter, if a prelude is to come.
      #prelude = null;

      constructor(invocation) {
        super({ highWaterMark });
        this.#invocation = invocation;
      }

      setContentType(type) {
        if (this.#isBegun) throw new InvalidStreamingOperation('Cannot set content-type, too late.');
        if (type !== PRELUDE_TYPE) nodeRequire('http').validateHeaderValue('Content-Type', type);
        this.#type = type === PRELUDE_TYPE ? null : `${type}`;
        this.#prelude = type === PRELUDE_TYPE ? DELIMITER.subarray(0, 0) : null;
      }

      write(chunk, ...rest) {
        this.#begin();
        return super.write(typeof chunk === 'string' || chunk instanceof Uint8Array ? chunk : stringify(chunk), ...rest);
      }

      end(chunk, encoding, callback) {
        if (typeof chunk === 'function') return this.end(null, null, chunk);
        if (typeof encoding === 'function') return this.end(chunk, null, encoding);
        if (chunk !== null && chunk !== undefined) this.write(chunk, encoding);
        else this.#begin();
        return super.end(callback);
      }

      #begin() {
        if (this.#isBegun) return;
        this.#isBegun = true;
        if (this.#type !== null && !this.#invocation.isAnswered) send('type', this.#invocation.id, this.#type);
        if (typeof this._onBeforeFirstWrite === 'function') this._onBeforeFirstWrite((piece) => super.write(piece));
      }

      _write(bytes, encoding, done) {
        if (this.#invocation.isAnswered) return done(new InvalidStreamingOperation('the invocation is over'));
        if (this.#prelude !== null) {
          const all = concat([this.#prelude, bytes]), end = find(all, DELIMITER);
          this.#prelude = all;
          if (end < 0) return done();
          this.#prelude = null;
          send('prelude', this.#invocation.id, all.subarray(0, end));
          bytes = all.subarray(end + DELIMITER.length);
        }
        if (bytes.length === 0) done();
        else sendPiece(this.#invocation.id, bytes, done);
      }

      _writev(items, done) {
        this._write(concat(items.map((item) => item.chunk)), null, done);
      }

      _final(done) {
        done(this.#prelude?.length > 0 ? new InvalidStreamingOperation('no delimiter behind the prelude') : null);
      }
    };
  }

  // ---- Logging

  const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
  const isJson = env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const LOGGED_REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
  const LOGGED_TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');
  const leastLevel = LEVELS[env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;
  const standardOutput = getOwnPropertyDescriptor(process, 'stdout');
  let isOutputOpen = false;
  const openOutput = () => {
    isOutputOpen = true;
    return standardOutput.get.call(process);
  };

  // Has the methods of `console` write as AWS's do.
  function patchConsole() {
    for (const level of Object.keys(LEVELS)) {
      const isLogged = LEVELS[level] >= leastLevel || level === 'FATAL';
      set(console, level.toLowerCase(), isLogged ? (...parameters) => log(level, parameters) : () => {});
    }
    set(console, 'log', console.info);
    defineProperty(process, 'stdout', { ...standardOutput, get: openOutput });
  }

  function log(level, parameters) {
    const ms = now(), time = timeText(new Date(ms));
    const id = storage?.getStore()?.[REQUEST_ID] ?? globalThis[LOGGED_REQUEST_ID] ?? current?.id ?? (isNewer ? '-' : undefined);
    if (parameters.length === 0) parameters = [undefined];
    const text = isJson ? jsonLine(time, level, id, parameters) : `${time}\t${id}\t${level}\t${apply(format, null, parameters)}`;
    if (recordsFd) return writeRecord(level, ms, isJson ? text : `${text}\n`);
    const line = `${replaceAll(text, '\n', '\r')}\n`;
    // Opening the stream takes longer than all else here, and what it has not written is lost at an exit. Whoever has
    // opened it, or put something in its place, may want to see what is written.
    if (isOutputOpen || getOwnPropertyDescriptor(process, 'stdout')?.get !== openOutput) return void process.stdout.write(line);
    const bytes = allocUnsafeSlow(byteLength(line));
    utf8Write(bytes, line, 0);
    writeAll(STDOUT_FD, bytes, 0, bytes.length);
  }

  // What a frame begins with: the form and the level, the length, and the time in microseconds.
  const RECORD_HEAD_BYTES = 16, TEXT_RECORD = 0xa55a0003, JSON_RECORD = 0xa55a0002;

  function writeRecord(level, ms, text) {
    const length = byteLength(text), bytes = allocUnsafeSlow(RECORD_HEAD_BYTES + length);
    writeUInt32BE(bytes, (isJson ? JSON_RECORD : TEXT_RECORD) + LEVELS[level] * 4, 0);
    writeUInt32BE(bytes, length, 4);
    writeBigUInt64BE(bytes, BigInt(ms) * 1000n, 8);
    utf8Write(bytes, text, RECORD_HEAD_BYTES);
    writeAll(recordsFd, bytes, 0, bytes.length);
  }

  function jsonLine(timestamp, level, requestId, parameters) {
    const tenantId = storage?.getStore()?.[TENANT_ID] ?? globalThis[LOGGED_TENANT_ID];
    const entry = { timestamp, level, requestId, tenantId };
    if (parameters.length === 1) {
      entry.message = parameters[0];
      try {
        return stringify(entry, (_, value) => (value instanceof Error ? assign(loggedError(value), value) : value));
      } catch {
        entry.message = format(parameters[0]);
        return stringify(entry);
      }
    }
    entry.message = apply(format, null, parameters);
    for (let at = 0; at < parameters.length; at++) {
      if (parameters[at] instanceof Error) return stringify(assign(entry, loggedError(parameters[at])));
    }
    return stringify(entry);
  }

  function loggedError(error) {
    const stackTrace = typeof error.stack === 'string' ? stackLines(error.stack) : error.stack;
    return { errorType: error.constructor?.name ?? 'UnknownError', errorMessage: error.message, stackTrace };
  }

  // Logs what goes wrong as AWS's client does.
  function logError(title, error) {
    if (LEVELS.ERROR < leastLevel) return;
    try {
      if (!(error instanceof Error)) error = new Error(error);
      log('ERROR', isJson ? [error] : [title, `\t${errorText(error)}`]);
    } catch {
      // The report of the error says as much.
    }
  }

  function errorText(error) {
    try {
      return stringify(error, (_, value) => {
        if (!(value instanceof Error)) return value;
        const { name: errorType, message: errorMessage, code, stack } = value;
        return assign({ errorType, errorMessage, code }, value, { stack: typeof stack === 'string' ? stackLines(stack) : undefined });
      });
    } catch {
      return stringify(reportOf(error));
    }
  }

  // ---- Hooks

  const beforeSnapshot = [], afterRestore = [];

  // Before a snapshot what was registered last runs first, and after it what was registered first.
  async function runHooks(kind) {
    const isBefore = kind === 'before-snapshot', hooks = isBefore ? beforeSnapshot : afterRestore;
    try {
      if (!isBefore) renewRandom();
      for (let at = 0; at < hooks.length; at++) await hooks[isBefore ? hooks.length - 1 - at : at]();
      send('done', '-');
    } catch (error) {
      logError('Hook Error', error);
      send('error', '-', stringify(reportOf(error)));
    }
  }

  // Whoever is started from the same snapshot has the same state. V8 seeds no generator again, but a new context has one of
  // its own, with the seed that is set by then.
  function renewRandom() {
    const { openSync, readSync, closeSync } = nodeRequire('fs');
    const seed = new Int32Array(1), source = openSync('/dev/urandom');
    readSync(source, seed);
    closeSync(source);
    nodeRequire('v8').setFlagsFromString(`--random-seed=${seed[0] | 1}`);
    set(globalThis.Math, 'random', nodeRequire('vm').runInNewContext('Math.random'));
  }

  // ---- What a function finds in the global scope

  const REQUEST_ID = Symbol.for('_AWS_LAMBDA_REQUEST_ID');
  const X_RAY_TRACE_ID = Symbol.for('_AWS_LAMBDA_X_RAY_TRACE_ID');
  const TENANT_ID = Symbol.for('_AWS_LAMBDA_TENANT_ID');

  // What AWS's libraries look up for the invocation that is under way.
  class InvokeStore {
    static PROTECTED_KEYS = { REQUEST_ID, X_RAY_TRACE_ID, TENANT_ID };
    currentContext;
    getContext() { return storage === null ? this.currentContext : storage.getStore(); }
    hasContext() { return this.getContext() !== undefined; }
    get(key) { return this.getContext()?.[key]; }
    set(key, value) {
      if (this.isProtectedKey(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
      if (storage !== null && !this.hasContext()) throw new Error('No context available');
      this.currentContext ??= {};
      this.getContext()[key] = value;
    }
    run(context, work) {
      if (storage !== null) return storage.run(context, work);
      this.currentContext = context;
      return work();
    }
    isProtectedKey(key) { return key === REQUEST_ID || key === X_RAY_TRACE_ID || key === TENANT_ID; }
    getRequestId() { return this.get(REQUEST_ID) ?? '-'; }
    getXRayTraceId() { return this.get(X_RAY_TRACE_ID); }
    getTenantId() { return this.get(TENANT_ID); }
  }
  const invokeStore = new InvokeStore();

  class HttpResponseStream {
    static from(stream, prelude) {
      stream.setContentType(PRELUDE_TYPE);
      stream._onBeforeFirstWrite = (write) => {
        write(stringify(prelude));
        write(DELIMITER);
      };
      return stream;
    }
  }

  function defineGlobals() {
    const { AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA: none } = env;
    if (none === '1' || none === 'true') return;
    globalThis.awslambda = {
      streamifyResponse(handler, options) {
        handler[STREAMING] = 'response';
        if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark);
        return handler;
      },
      HttpResponseStream,
      InvokeStore: invokeStore,
      registerBeforeSnapshot: (hook) => void beforeSnapshot.push(hook),
      registerAfterRestore: (hook) => void afterRestore.push(hook),
    };
  }

  // Removes what Node defines for a program that is an argument, and what programs that a function starts must not find.
  function removeTraces() {
    for (const name of ['EVENTS_FD', 'ANSWERS_FD', 'FILE', 'FUNCTION', 'CONCURRENCY']) delete env[`LAMBWIRE_${name}`];
    delete env._LAMBDA_TELEMETRY_LOG_FD;
    for (const name of [...nodeRequire('module').builtinModules, 'require', 'module', 'exports', '__filename', '__dirname']) {
      if (!['console', 'crypto', 'process'].includes(name)) delete globalThis[name];
    }
    process.execArgv = process.execArgv.filter((argument, at, all) => argument !== '-e' && all[at - 1] !== '-e');
    delete process._eval;
  }

  // A thread passes the options of its process on to what it forks, and so this program, which runs there
  // in place of the file. Node leaves it out by itself, but not where the thread's program is a text as well (`eval` of `Worker`).
  function runForked() {
    removeTraces();
    if (process.argv.length < 2) return;
    process.argv[1] = nodeRequire('path').resolve(process.argv[1]);
    nodeRequire('module').runMain(process.argv[1]);
  }

  // ---- Main loop

  const STDOUT_FD = 1;
  // What AWS's client ends with.
  const EXCEPTION_STATUS = 129, REJECTION_STATUS = 128;
  let events = null;

  function onException(error) {
    logError('Uncaught Exception', error);
    fatal(error, EXCEPTION_STATUS);
  }

  // Ends an invocation that is under way. Without one it harms nobody: the next caller need not wait for a new process.
  function onRejection(reason, promise) {
    const error = rejectionOf(reason);
    assign(error, { reason, promise });
    logError('Unhandled Promise Rejection', error);
    if (running() !== null || events === null) fatal(error, REJECTION_STATUS);
  }

  // What may fail when it is asked for its text is told as if it had been thrown.
  function rejectionOf(reason) {
    try {
      const error = new UnhandledPromiseRejection(reason);
      if (isError(reason)) error.stack = `${error.name}: ${reason.stack}`;
      return error;
    } catch {
      return new UnhandledPromiseRejection(reportOf(reason).errorMessage);
    }
  }

  // Nothing is left to wait for.
  function onEmpty() {
    if (current !== null) current.whenEmpty();
    else if (handler === null) fatal(new Error('nothing is left to wait for, and the module is not loaded'), 1);
    else exit(0);
  }

  // A listener of SIGTERM has the time that is left: the process ends when nothing is left to wait for. Node hands a signal
  // on after all else that has come, maybe in the next turn of the loop, so that one turn more is taken before that.
  function onEventsEnd() {
    if (listenerCount(process, 'SIGTERM') === 0) exit(0);
    setImmediate(() => setImmediate(() => {}));
  }

  // Listens for what concerns the loop, though a function may have removed all listeners.
  function keepListening() {
    const listen = (name, listener) => listenerCount(process, name, listener) > 0 || on(process, name, listener);
    listen('uncaughtException', onException);
    listen('unhandledRejection', onRejection);
    listen('beforeExit', onEmpty);
  }

  async function main() {
    removeTraces();
    patchConsole();
    defineGlobals();
    keepListening();
    try {
      handler = await load();
      if (handler[STREAMING]) {
        if (handler[STREAMING] !== 'response') throw new MalformedStreamingHandler('Only response streaming is supported.');
        isStreaming = true;
        highWaterMark = parseInt(handler[HIGH_WATER_MARK]) || undefined;
        defineResponseStream();
      }
    } catch (error) {
      return fatal(error, EXCEPTION_STATUS);
    }
    // A promise that was rejected meanwhile is reported before this.
    await new Promise(setImmediate);
    isRaw = Boolean(env.LAMBWIRE_BYTES);
    const wishes = {};
    if (isRaw) wishes.bytes = true;
    if (listenerCount(process, 'SIGTERM') > 0) wishes.sigterm = true;
    if (storage !== null) wishes.concurrency = concurrency;
    if (beforeSnapshot.length + afterRestore.length > 0) wishes.snapshot = true;
    send('ready', '-', Object.keys(wishes).length > 0 ? stringify(wishes) : '');
    events = new Socket({ fd: eventsFd, readable: true, writable: false, onread: { buffer: incoming, callback: take } });
    // A method that every read calls. There is no time-out that it would have to put off.
    hide(events, '_unrefTimer', () => {});
    on(events, 'end', onEventsEnd);
    on(events, 'error', () => exit(1));
  }

  // By then Node has put into the global scope what it puts there.
  process.nextTick(env.LAMBWIRE_EVENTS_FD === undefined ? runForked : main);
})();
