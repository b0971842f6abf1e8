exports.handler = async () => ({ package: require('a-package'), file: __filename.split('/').pop(), parent: module.parent === null });
exports.nested = { within: { handler: async () => 'nested' } };
exports.text = 'no function';
exports.directly = async () => [require.main === module, process.argv[1] === __filename, typeof process.argv[1]];
