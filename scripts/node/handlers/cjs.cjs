exports.handler = async () => ({ package: require('a-package'), file: __filename.split('/').pop(), parent: module.parent === null });
exports.nested = { within: { handler: async () => 'nested' } };
exports.text = 'no function';
