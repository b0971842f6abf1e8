// What JSON makes of results.
class Money { constructor() { this.euros = 7; } toJSON() { return `${this.euros} EUR`; } }

exports.text = async () => 'text';
exports.text_of_json = async () => JSON.stringify({ statusCode: 200 });
exports.text_of_number = async () => '00700';
exports.odd_text = async () => 'é\u2028\ud83d\ude00\u0000\u007f"\\';
exports.lone_surrogate = async () => '\ud800';
exports.nothing = async () => {};
exports.null_value = async () => null;
exports.numbers = async () => [1, 1.5, -0, 1e400, NaN, 12345678901234567890, 0.1];
exports.booleans = async () => [true, false];
exports.absent_members = async () => ({ here: 1, absent: undefined, list: [undefined, () => {}] });
exports.dates = async () => ({ at: new Date(0) });
exports.own_json = async () => new Money();
exports.bytes = async () => Buffer.from('é');
exports.typed_array = async () => new Uint8Array([1, 2]);
exports.collections = async () => ({ map: new Map([[1, 2]]), set: new Set([1]) });
exports.a_function = async () => ({ call: () => {} });
exports.order_of_keys = async () => ({ b: 1, 2: 1, a: 1, 1: 1 });
exports.circular = async () => { const ring = {}; ring.ring = ring; return ring; };
exports.big_integer = async () => 1n;
exports.echo = async (event) => event;
exports.kinds = async (event) => [typeof event, Array.isArray(event)];
