"""Servers to be compared: each is a process of its own on a free port of loopback, started afresh for
every run with its files in a temporary folder, and ended by its process id."""

import contextlib
import pathlib
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
PEERS = ROOT / "tests/bench/peers"
NCHAN_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
HISTORY_SIZE = 300
START_SECONDS = 20
END_SECONDS = 10


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child that listens on a port and has so many children of its own; `with` ends it."""

    def __init__(self, arguments, port, folder, children=0):
        self.port = port
        self.children = children
        self.log = pathlib.Path(folder) / f"{pathlib.Path(arguments[0]).name}-{port}.log"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                [str(argument) for argument in arguments], stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, cwd=folder)
        try:
            self.await_listening()
        except BaseException:
            self.end()
            raise

    def await_listening(self):
        deadline = time.monotonic() + START_SECONDS
        while not is_open(self.port) or len(self.pids()) <= self.children:
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.child.args[0]} does not listen:\n"
                                   + self.log.read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def end(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def pids(self):
        children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return [self.child.pid, *map(int, children.read_text().split())]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.end()


def start_redis(folder):
    port = free_port()
    return Process(["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "",
                    "--appendonly", "no"], port, folder)


class Server:
    """One kind of server. `options` are what holdfast-bench needs to be told about it."""

    name = ""
    title = ""
    options = []
    wires = ()

    def missing(self):
        """Why it cannot be run here, or None."""
        return None

    def start(self, folder, redis, history):
        raise NotImplementedError


class Holdfast(Server):
    name = "holdfast"
    title = "Holdfast"
    wires = ("json", "protobuf")

    def __init__(self, program):
        self.program = program

    def start(self, folder, redis, history):
        port = free_port()
        config = pathlib.Path(folder) / "holdfast.json"
        config.write_text(f"""{{
  "http_server": {{ "address": "127.0.0.1", "port": {port} }},
  "http_api": {{ "key": "bench" }},
  "client": {{ "insecure": true }},
  "log": {{ "level": "error" }},
  "engine": {{ "type": "redis", "redis": {{ "address": "redis://127.0.0.1:{redis.port}" }} }},
  "channel": {{ "namespaces": [
    {{ "name": "bench" }},
    {{ "name": "stream", "history_size": {history}, "history_ttl": "600s", "force_recovery": true }}
  ] }}
}}""")
        return Process([self.program, "--config", config], port, folder)


class Centrifuge(Server):
    name = "centrifuge"
    title = "Centrifuge (Go)"
    wires = ("json", "protobuf")
    program = ROOT / "build/bench/centrifuge"

    def missing(self):
        if shutil.which("go") is None:
            return "there is no Go toolchain"
        self.program.parent.mkdir(parents=True, exist_ok=True)
        built = subprocess.run(["go", "build", "-o", self.program, "."], cwd=PEERS / "centrifuge",
                               capture_output=True, text=True)
        return None if built.returncode == 0 else f"go build failed: {built.stderr.strip()[-300:]}"

    def start(self, folder, redis, history):
        port = free_port()
        return Process([self.program, "-address", f"127.0.0.1:{port}", "-redis",
                        f"127.0.0.1:{redis.port}", "-key", "bench", "-history-size", history],
                       port, folder)


class Nchan(Server):
    name = "nchan"
    title = "nginx with nchan"
    wires = ("nchan",)
    options = ["--publish-by", "raw", "--publish-path", "/pub/%s", "--publishers", "1"]

    def missing(self):
        if shutil.which("nginx") is None or not NCHAN_MODULE.exists():
            return "Debian's libnginx-mod-nchan is not installed"
        return None

    def start(self, folder, redis, history):
        port = free_port()
        folder = pathlib.Path(folder)
        config = folder / "nginx.conf"
        config.write_text(f"""load_module {NCHAN_MODULE};
daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 19000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  nchan_shared_memory_size 512M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 1000000000;
    location ~ /pub/(.+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 2000; }}
    location ~ /sub/(.+)$ {{
      nchan_subscriber websocket; nchan_channel_id $1; nchan_subscriber_first_message oldest;
      nchan_websocket_ping_interval 25s;
    }}
  }}
}}""")
        return Process(["nginx", "-p", folder, "-c", config], port, folder, children=2)


class SocketIo(Server):
    name = "socketio"
    title = "Socket.IO"
    wires = ("socketio",)
    folder = PEERS / "socketio"

    def missing(self):
        if shutil.which("node") is None or shutil.which("npm") is None:
            return "there is no Node.js with npm"
        if (self.folder / "node_modules/socket.io").is_dir():
            return None
        installed = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=self.folder,
                                   capture_output=True, text=True)
        return None if installed.returncode == 0 else f"npm ci failed: {installed.stderr[-300:]}"

    def start(self, folder, redis, history):
        port = free_port()
        return Process(["node", self.folder / "server.mjs", port, redis.port], port, folder)
