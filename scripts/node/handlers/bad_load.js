exports.handler = () => {};
throw new RangeError('while loading');
