// An application of express, behind each library that makes a handler of one.
const express = require('express');
const codegenie = require('@codegenie/serverless-express');
const vendia = require('@vendia/serverless-express');
const serverlessHttp = require('serverless-http');

const app = express();
app.use(express.json());
app.get('/hello', (request, response) => response.cookie('seen', 'yes').json({ hello: request.query.name, from: 'express' }));
app.post('/echo', (request, response) => response.status(201).json({ got: request.body }));
app.get('/bytes', (request, response) => response.type('image/png').send(Buffer.from([0, 255, 1])));
app.get('/fails', () => { throw new RangeError('in a route'); });
app.use((error, request, response, next) => response.status(500).json({ error: error.message }));

exports.codegenie = codegenie({ app, binarySettings: { contentTypes: ['image/*'] } });
exports.vendia = vendia({ app, binarySettings: { contentTypes: ['image/*'] } });
exports.vendia_callback = vendia({ app, resolutionMode: 'CALLBACK' });
exports.serverless_http = serverlessHttp(app, { binary: ['image/*'] });
