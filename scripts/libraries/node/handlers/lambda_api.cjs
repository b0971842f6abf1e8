const api = require('lambda-api')();

api.get('/hello', async (request) => ({ hello: request.query.name, from: 'lambda-api' }));
api.post('/echo', async (request, response) => response.status(201).json({ got: request.body }));
api.get('/fails', async () => { throw new RangeError('in a route'); });

exports.handler = async (event, context) => api.run(event, context);
exports.callback = (event, context, callback) => api.run(event, context, callback);
