// Ways to fail.
class Own extends Error { constructor(message) { super(message); this.name = 'OwnName'; this.code = 'E_OWN'; this.more = { a: 1 }; } }
class Unnamed extends Error {}

exports.thrown = async () => { throw new RangeError('on purpose'); };
exports.thrown_at_once = () => { throw new RangeError('on purpose'); };
exports.own_class = async () => { throw new Own('mine'); };
exports.unnamed_class = async () => { throw new Unnamed('of a class'); };
exports.without_message = async () => { throw new Error(); };
exports.several_lines = async () => { throw new Error('one\ntwo'); };
exports.text = async () => { throw 'a text'; };
exports.number = async () => { throw 7; };
exports.an_object = async () => { throw { code: 7 }; };
exports.like_an_error = async () => { throw { name: 'Like', message: 'an error', stack: 'Like: an error\n    at somewhere' }; };
exports.nothing = async () => { throw undefined; };
exports.nothing_at_once = () => { throw null; };
exports.no_text = async () => { throw Object.create(null); };
exports.delete_character = async () => { throw new Error('\x7f'); };
exports.rejected = () => Promise.reject(new EvalError('rejected'));
exports.nested = async () => { const deep = () => JSON.parse('{'); return deep(); };
exports.undefined_member = async (event) => event.none.such;
exports.aggregate = () => Promise.any([Promise.reject(new Error('a')), Promise.reject(new Error('b'))]);
exports.with_cause = async () => { throw new Error('outer', { cause: new TypeError('inner') }); };
exports.uncaught = async () => { setTimeout(() => { throw new RangeError('uncaught'); }, 5); return new Promise((done) => setTimeout(done, 5000)); };
exports.uncaught_text = async () => { setTimeout(() => { throw 'a text'; }, 5); return new Promise((done) => setTimeout(done, 5000)); };
exports.unhandled = async () => { Promise.reject(new EvalError('nobody waits')); return new Promise((done) => setTimeout(done, 5000)); };
exports.unhandled_text = async () => { Promise.reject('nobody waits'); return new Promise((done) => setTimeout(done, 5000)); };
exports.exits = async () => process.exit(3);
