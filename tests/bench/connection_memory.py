#!/usr/bin/env python3
"""Memory that an idle WebSocket takes in the broker: plain, with permessage-deflate, with TLS.

Usage: connection_memory.py HOLDFAST [CONNECTIONS]

Starts a node for each kind (memory engine, one worker), connects that many clients with one
subscription each, lets each of them have a message, and prints by how many bytes for each of them the
node's anonymous memory has grown. Kernel memory is not counted.
"""
import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

KINDS = {
    "plain": ({}, False),
    "permessage-deflate": ({"websocket": {"compression": True}}, False),
    "TLS": ({}, True),
    "TLS and permessage-deflate": ({"websocket": {"compression": True}}, True),
}
WARM_UP = 200  # connections that come before counting begins


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder):
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"],
        check=True, capture_output=True)
    return cert, key


class Node:
    def __init__(self, binary, folder, options, has_tls):
        self.port = free_port()
        self.tls = None
        config = {
            "http_server": {"address": "127.0.0.1", "port": self.port},
            "client": {"insecure": True, "allowed_origins": ["*"], "ping_interval": "0s"},
            "http_api": {"insecure": True},
            "channel": {"without_namespace": {"history_size": 10, "history_ttl": "60s"}},
            "holdfast": {"workers": 1},
        } | options
        if has_tls:
            cert, key = make_certificate(folder)
            config["http_server"]["tls"] = {"enabled": True, "cert_pem": str(cert), "key_pem": str(key)}
            self.tls = ssl.create_default_context()
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE
        file = folder / "config.json"
        file.write_text(json.dumps(config))
        self.child = subprocess.Popen([binary, "-c", file], stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.ask("/health")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the node does not start")

    def ask(self, path, body=None):
        scheme = "https" if self.tls else "http"
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.port}{path}", data=body)
        with urllib.request.urlopen(request, context=self.tls) as answer:
            return answer.read()

    def memory(self):
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise SystemExit("no RssAnon in /proc")

    def stop(self):
        self.child.terminate()
        self.child.wait()


def read_frame(connection):
    """One server frame of less than 64 KiB; its payload as it is."""
    def exactly(count):
        data = b""
        while len(data) < count:
            part = connection.recv(count - len(data))
            if not part:
                raise SystemExit("a connection was closed")
            data += part
        return data
    length = exactly(2)[1]
    if length == 126:
        length = int.from_bytes(exactly(2), "big")
    return exactly(length)


def send_frame(connection, text):
    data = text.encode()
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
    connection.sendall(bytes([0x81, 0x80 | len(data)]) + mask + masked)


def connect(node, compressed):
    connection = socket.create_connection(("127.0.0.1", node.port))
    if node.tls:
        connection = node.tls.wrap_socket(connection)
    offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if compressed else ""
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{offer}\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    if b" 101 " not in head or (b"permessage-deflate" in head) != compressed:
        raise SystemExit(f"no WebSocket as expected: {head!r}")
    send_frame(connection, '{"id":1,"connect":{}}')
    read_frame(connection)
    send_frame(connection, '{"id":2,"subscribe":{"channel":"all"}}')
    read_frame(connection)
    return connection


def measure(binary, count, options, has_tls):
    with tempfile.TemporaryDirectory() as folder:
        node = Node(binary, Path(folder), options, has_tls)
        try:
            compressed = "websocket" in options
            open_now = [connect(node, compressed) for _ in range(WARM_UP)]
            body = json.dumps({"channel": "all", "data": "x" * 1000}).encode()
            before = node.memory()
            open_now += [connect(node, compressed) for _ in range(count)]
            node.ask("/api/publish", body)
            for connection in open_now:
                read_frame(connection)
            time.sleep(1)  # so that what is freed is given back
            grown = node.memory() - before
            for connection in open_now:
                connection.close()
        finally:
            node.stop()
    return grown / count


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) == 3 else 3000
    for name, (options, has_tls) in KINDS.items():
        print(f"{name:28} {measure(sys.argv[1], count, options, has_tls):8.0f} bytes a connection")


if __name__ == "__main__":
    main()
