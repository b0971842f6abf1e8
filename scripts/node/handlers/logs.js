// What the console writes.
exports.levels = async () => {
  for (const level of ['trace', 'debug', 'info', 'log', 'warn', 'error', 'fatal']) console[level](`at ${level}`);
};
exports.formats = async () => {
  console.log();
  console.log('%s is %d and %j', 'a', 7, { b: 1 });
  console.log({ a: 1, b: [1, { c: 2 }] }, 'more', null, undefined, 7n, Symbol('s'));
  console.log('one\ntwo');
  console.table([{ a: 1 }]);
  console.count();
  console.assert(false, 'asserted');
  console.group('group');
  console.info('within');
  console.groupEnd();
};
exports.values = async () => {
  for (const value of ['text', 7, null, true, [1, 2], { a: { b: { c: { d: 1 } } } }, new Date(0), undefined]) console.log(value);
};
const named = (error) => Object.assign(error, { stack: `${error.name}: ${error.message}\n    at somewhere`, code: 'E_CODE' });
exports.errors = async () => {
  console.error(named(new RangeError('alone')));
  console.error('with text', named(new RangeError('behind text')));
  console.error({ within: named(new RangeError('within')) });
};
exports.circular = async () => { const ring = { name: 'ring' }; ring.ring = ring; console.log(ring); };
exports.written = async () => { process.stdout.write('raw\n'); console.log('by console'); process.stderr.write('to error\n'); };
exports.captured = async () => {
  const lines = [], { write } = process.stdout;
  process.stdout.write = (line) => lines.push(String(line).split('\t').pop());
  console.log('captured');
  process.stdout.write = write;
  return lines;
};
exports.failure = async () => { throw named(new RangeError('logged')); };
exports.failure_text = async () => { throw 'logged'; };
console.log('while loading');
exports.nothing = async () => 'answered';
