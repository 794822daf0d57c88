// A private nginx in front of nodes.
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { Child, freePort, tempDir } from './process.mjs';
import { cleanup } from './scope.mjs';

function configuration(dir, port, ports, server) {
  const backends = ports.map((each) => `server 127.0.0.1:${each} max_fails=0;`).join('\n    ');
  return `
${process.getuid() === 0 ? 'user root;' : ''}
daemon off;
master_process on;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log stderr warn;
# A reload drops whoever is still connected to the old workers.
worker_shutdown_timeout 100ms;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  upstream nodes {
    ${backends}
    keepalive 4;
  }
  map $http_upgrade $connection_header { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${port};
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_next_upstream error timeout http_503;
    location / {
      proxy_pass http://nodes;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_header;
      proxy_read_timeout 60s;
    }
    # nginx's default towards backends: HTTP/1.0, Connection: close
    location /old/ { proxy_pass http://nodes/; }
    ${server}
  }
}
`;
}

class Nginx {
  constructor(port, dir) {
    this.port = port;
    this.dir = dir;
    this.url = `ws://127.0.0.1:${port}/connection/websocket`;
  }

  async start(ports, server) {
    const file = join(this.dir, 'nginx.conf');
    writeFileSync(file, configuration(this.dir, this.port, ports, server));
    this.child = new Child(`nginx on ${this.port}`, 'nginx', ['-p', this.dir, '-c', file, '-e', 'stderr']);
    await this.child.ready(() => this.#answers());
  }

  #answers() {
    return new Promise((resolve) => {
      const req = http.get({ port: this.port, host: '127.0.0.1', path: '/', agent: false }, (res) => {
        res.resume();
        res.on('end', () => resolve(true));
      });
      req.on('error', () => resolve(false));
    });
  }

  // As `nginx -s reload`: new workers, and the old ones end with their connections.
  reload() {
    this.child.signal('SIGHUP');
  }
}

// startNginx(t, ports, { server }): forwards to the nodes on those ports; server: more of its
// configuration
export async function startNginx(t, ports, { server = '' } = {}) {
  const nginx = new Nginx(await freePort(), tempDir(t));
  cleanup(t, () => nginx.child?.stop('SIGTERM'));
  await nginx.start(ports, server);
  return nginx;
}
