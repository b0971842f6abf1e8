// Ways to answer.
const later = (work) => setTimeout(work, 20);
const stays = () => setInterval(() => {}, 1000);
const inner = (event, context, callback) => callback(null, { ok: true });

exports.promise = async (event, context, callback) => ({ statusCode: 200 });
exports.promise_only = (event) => new Promise((resolve) => later(() => resolve(event)));
exports.thenable = () => ({ then: (resolve) => later(() => resolve('of a thenable')) });
exports.promise_with_open_timer = async (event, context, callback) => { stays(); return { statusCode: 200 }; };
exports.callback = (event, context, callback) => later(() => callback(null, event));
exports.rest_parameters = (...parameters) => { const [, , callback] = parameters; callback(null, { statusCode: 200 }); };
exports.default_parameter = (event, context = {}, callback) => callback(null, { statusCode: 200 });
exports.default_callback = (event, context, callback = () => {}) => callback(null, { statusCode: 200 });
exports.arguments_only = function () { return inner.apply(this, arguments); };
exports.later_by_arguments = function () { const callback = arguments[2]; later(() => callback(null, 'later')); };
exports.nothing = (event, context, callback) => { console.log('no callback, nothing returned'); };
exports.never = () => new Promise(() => {});
exports.returned_timer = (event, context, callback) => later(() => callback(null, 'by the timer'));
exports.callback_waits = (event, context, callback) => {
  const answer = { seen: [] };
  callback(null, answer);
  later(() => answer.seen.push('before the answer'));
};
exports.callback_does_not_wait = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  stays();
  callback(null, 'at once');
};
exports.callback_twice = (event, context, callback) => { callback(null, 'first'); callback(null, 'second'); };
exports.callback_and_promise = async (event, context, callback) => { callback(null, 'of the callback'); return 'of the promise'; };
exports.callback_of_nothing = (event, context, callback) => callback();
exports.callback_then_throws = (event, context, callback) => { callback(null, 'first'); throw new Error('second'); };
exports.callback_error = (event, context, callback) => callback(new RangeError('of the callback'));
exports.callback_text = (event, context, callback) => callback('of the callback');
exports.callback_error_does_not_wait = (event, context, callback) => { stays(); callback(new Error('at once')); };
exports.done = (event, context) => { stays(); context.done(null, 'done'); };
exports.done_error = (event, context) => context.done(new TypeError('undone'));
exports.succeed = (event, context) => { stays(); context.succeed({ ok: true }); };
exports.fail = (event, context) => { stays(); context.fail(new TypeError('failed')); };
exports.fail_without_error = (event, context) => context.fail();
exports.returned_value = (event) => ({ returned: true });
exports.generator = function* () { yield 'piece'; };
