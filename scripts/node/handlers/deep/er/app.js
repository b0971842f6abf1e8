exports.handler = async () => require('a-package');
