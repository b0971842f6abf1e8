exports.handler = () => {};
Promise.reject(new RangeError('while loading'));
