// Answers in pieces.
const stream = awslambda.streamifyResponse;
const http = (into, prelude) => awslambda.HttpResponseStream.from(into, prelude);
const tick = () => new Promise((resolve) => setTimeout(resolve, 5));

exports.text = stream(async (event, into) => { into.write('one '); into.write('two'); into.end(); });
exports.end_with_text = stream(async (event, into) => { into.end('all'); });
exports.no_pieces = stream(async (event, into) => { into.end(); });
exports.http = stream(async (event, into) => {
  into = http(into, { statusCode: 201, headers: { 'content-type': 'text/plain' }, cookies: ['a=b'] });
  into.write('one ');
  await tick();
  into.end('two');
});
exports.objects = stream(async (event, into) => { into.write({ a: 1 }); into.write([2]); into.end(); });
exports.bytes = stream(async (event, into) => { into.write(Buffer.from('é')); into.write(new Uint8Array([65])); into.write('6162', 'hex'); into.end(); });
exports.content_type = stream(async (event, into) => { into.setContentType('text/plain'); into.end('typed'); });
exports.content_type_alone = stream(async (event, into) => { into.setContentType('text/plain'); into.end(); });
exports.content_type_of_none = stream(async (event, into) => {
  try { into.setContentType(undefined); } catch (error) { into.write(error.stack.split('\n')[0]); }
  into.end();
});
exports.content_type_twice = stream(async (event, into) => {
  into.setContentType('text/plain');
  into.setContentType('text/event-stream; charset=utf-8');
  into.write('typed');
  into.end();
});
exports.type_after_prelude = stream(async (event, into) => {
  http(into, { statusCode: 201 }).setContentType('text/plain');
  into.write('one');
  into.end();
});
exports.prelude_by_hand = stream(async (event, into) => {
  into.setContentType('application/vnd.awslambda.http-integration-response');
  into.write('{"statusCode":201}');
  into.write(Buffer.alloc(8));
  into.end();
});
exports.content_type_too_late = stream(async (event, into) => { into.write('a'); await tick(); into.setContentType('text/plain'); });
exports.by_pipeline = stream(async (event, into) => {
  const { pipeline } = require('stream/promises'), { Readable } = require('stream');
  await pipeline(Readable.from(['one ', 'two ', 'three']), into);
});
exports.awaits_finish = stream(async (event, into) => {
  into.write('written');
  into.end();
  await require('stream/promises').finished(into).catch(() => {});
});
exports.members = stream(async (event, into, context) => {
  into.write(JSON.stringify(Object.keys(context)));
  into.end();
});
exports.returns_value = stream(async (event, into) => { into.end('answered'); return 'ignored'; });
exports.large = stream(async (event, into) => {
  for (let at = 0; at < 40; at++) {
    if (!into.write('x'.repeat(65536))) await new Promise((resolve) => into.once('drain', resolve));
  }
  into.end();
});
exports.fails_at_once = stream(async () => { throw new RangeError('before the first piece'); });
exports.fails_half_way = stream(async (event, into) => { into.write('a'); await tick(); throw new RangeError('half way'); });
exports.not_async = stream((event, into) => { into.end('x'); });
exports.no_body = stream(async (event, into) => { http(into, { statusCode: 204 }).end(); });
exports.not_ended = stream(async (event, into) => { into.write('a'); });
