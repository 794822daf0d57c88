// A Socket.IO server for comparisons: its Redis Streams adapter, WebSocket alone, rooms for channels,
// and an HTTP call that publishes to a room.
//
//   node server.mjs PORT REDIS_PORT
import { createServer } from 'node:http';

import { createAdapter } from '@socket.io/redis-streams-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const [port, redisPort] = process.argv.slice(2).map(Number);

const redis = createClient({ socket: { host: '127.0.0.1', port: redisPort } });
await redis.connect();

async function answer(request, response) {
  if (request.method === 'GET') {
    response.end();
    return;
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { channel, data } = JSON.parse(Buffer.concat(chunks));
  io.to(channel).emit('publication', data);
  const body = '{"result":{}}';
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

const http = createServer((request, response) => {
  if (!request.url.startsWith('/socket.io/')) answer(request, response);
});
const io = new Server(http, { adapter: createAdapter(redis), transports: ['websocket'] });
io.on('connection', (socket) => {
  socket.on('subscribe', (channel, done) => {
    socket.join(channel);
    done();
  });
});
http.listen(port, '127.0.0.1');

process.on('SIGTERM', () => {
  io.close();
  redis.disconnect();
});
