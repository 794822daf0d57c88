#!/usr/bin/env python3
"""A short run of every scenario of holdfast-bench against a node of this build, so that the load
generator cannot rot, and a run that must fail, so that its checks cannot.

  smoke.py HOLDFAST HOLDFAST_BENCH"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))

import servers  # noqa: E402

RUN = ["--quiet", "--seconds", "0.4", "--warm-up", "0.2"]
SCENARIOS = [
    (["idle", "--clients", "20"], {"connections": 20}),
    (["connect", "--clients", "20"], {"connections": 20}),
    (["fanout", "--clients", "20", "--threads", "2", "--publications", "50"], {"deliveries": 1000}),
    (["fanout", "--clients", "20", "--publications", "50", "--wire", "protobuf", "--publish-by",
      "client", "--stream", "--channel", "stream:%u"], {"deliveries": 1000}),
    (["fanout", "--clients", "3", "--rate", "100"], {"subscribers": 3}),
    (["channels", "--clients", "20", "--channels", "10", "--publications", "100"],
     {"deliveries": 200}),
    (["publish", "--publications", "100"], {"publications": 100}),
    (["publish", "--publications", "100", "--publish-by", "client"], {"publications": 100}),
    (["storm", "--clients", "20"], {"missed": 10, "channels": 1}),
    (["storm", "--clients", "20", "--channels", "20", "--wire", "protobuf"], {"channels": 20}),
]


def generate(program, node, redis, arguments, json_path):
    """Returns the finished process; its figures are in the file."""
    json_path.write_text("")
    # A load generator that fails ends without waiting for its threads.
    tsan = f"{os.environ.get('TSAN_OPTIONS', '')} report_thread_leaks=0"
    return subprocess.run(
        [program, arguments[0], "--address", f"127.0.0.1:{node.port}", "--redis",
         f"127.0.0.1:{redis.port}", "--pid", str(node.child.pid), *RUN, *arguments[1:], "--json",
         str(json_path)], capture_output=True, text=True, timeout=120,
        env=os.environ | {"TSAN_OPTIONS": tsan.strip()})


def check(program, node, redis, json_path):
    for arguments, expected in SCENARIOS:
        done = generate(program, node, redis, arguments, json_path)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        figures = json.loads(json_path.read_text())["figures"]
        for name, value in expected.items():
            assert figures[name] == value, f"{arguments}: {name} is {figures[name]}, not {value}"
        assert figures["server_cpu_seconds"] > 0, arguments
        print(f"ok: {' '.join(arguments)}")


def check_failures(program, node, redis, json_path):
    """Clients that came too late for what they miss must not pass for recovered (the history holds
    30), and neither must a channel that is not a stream."""
    for arguments, said in (
            (["storm", "--clients", "2", "--missed", "100"], "not recovered"),
            (["fanout", "--clients", "2", "--stream", "--channel", "bench:%u"], "has no position"),
            (["fanout", "--clients", "2", "--channel", "unknown:%u"], "error")):
        done = generate(program, node, redis, arguments, json_path)
        assert done.returncode == 1, f"{arguments}: passed"
        assert said in done.stderr, f"{arguments}: {done.stderr}"
        print(f"ok: fails as it must: {' '.join(arguments)}")


def main():
    holdfast, program = sys.argv[1:3]
    with tempfile.TemporaryDirectory(prefix="hf-smoke-") as folder:
        json_path = pathlib.Path(folder) / "figures.json"
        with servers.start_redis(folder) as redis, \
                servers.Holdfast(holdfast).start(folder, redis, 30) as node:
            check(program, node, redis, json_path)
            check_failures(program, node, redis, json_path)


if __name__ == "__main__":
    main()
