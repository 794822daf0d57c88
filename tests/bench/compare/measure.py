"""Runs the cases: for each round and each case all servers in turn, a fresh server and a fresh Redis
for every run. What comes out is a list of {"case", "server", "round", "figures"}."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import servers

REDIS_FLOOR = "our script, the same"


def say(text):
    print(text, file=sys.stderr, flush=True)


def call(arguments):
    """Runs a program that writes one line of figures to its --json file."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
        done = subprocess.run([*map(str, arguments), "--json", out.name], capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1])
        return json.loads(out.read())["figures"]


class Runner:
    def __init__(self, build, kinds):
        self.generator = build / "holdfast-bench"
        self.send_loop = build / "tests/bench_send"
        self.script = build / "tests/bench_publish"
        self.kinds = {kind.name: kind for kind in kinds}
        self.results = []
        self.failures = []  # (case, server): its clients did not get what they should have

    def median(self, case_name, server, figure):
        values = [result["figures"][figure] for result in self.results
                  if result["case"] == case_name and result["server"] == server
                  and figure in result["figures"]]
        return statistics.median(values) if values else None

    def note(self, case, server, round_number, figures):
        self.results.append({"case": case.name, "server": server, "round": round_number,
                             "sweep": case.sweep, "x": case.x, "figures": figures})

    def run_server(self, case, kind, options):
        wire = case.wire if case.wire in kind.wires else kind.wires[0]
        with tempfile.TemporaryDirectory(prefix="hf-bench-") as folder, \
                servers.start_redis(folder) as redis, \
                kind.start(folder, redis, case.history) as process:
            return call([self.generator, case.scenario, "--quiet", "--address",
                         f"127.0.0.1:{process.port}", "--wire", wire, "--pid",
                         ",".join(map(str, process.pids())), "--redis", f"127.0.0.1:{redis.port}",
                         *kind.options, *options])

    def run_case(self, case, round_number):
        options = list(case.options)
        if case.half_of:
            full = self.median(case.half_of, "centrifuge", "publications_per_second")
            if full is None:
                say(f"  {case.name}: skipped, as the peer's full rate is not known")
                return
            options += ["--rate", f"{full / 2:.1f}"]
        order = [name for name in case.servers if name in self.kinds]
        order = order[round_number % len(order):] + order[:round_number % len(order)]
        for name in order:
            try:
                figures = self.run_server(case, self.kinds[name], options)
            except RuntimeError as error:
                say(f"  {case.name}, {name}: FAILED: {error}")
                self.failures.append((case.name, name))
                continue
            self.note(case, name, round_number, figures)
            say(f"  {case.name}, {name}: {summary(case, figures)}")
        if case.scenario == "fanout" and not case.sweep:
            self.run_send_loop(case, options, round_number)

    def run_send_loop(self, case, options, round_number):
        """The bare loop of send(): frames as long as a publication's in this encoding."""
        arguments = [self.send_loop, "--clients", "1000", "--seconds", "3", "--bytes", "172"]
        if "--rate" in options:
            arguments += ["--rate", options[options.index("--rate") + 1]]
        figures = call(arguments)
        self.note(case, "send", round_number, figures)
        say(f"  {case.name}, send loop: {summary(case, figures)}")

    def run_script_floor(self, case, round_number):
        """redis-benchmark with the bare script (tests/bench/bench_publish.c)."""
        done = subprocess.run([self.script, "100000", "1"], capture_output=True, text=True)
        line = next((line for line in done.stdout.splitlines() if line.startswith(REDIS_FLOOR)), None)
        if line is None:
            raise RuntimeError(f"bench_publish: {done.stderr.strip()}")
        rate = float(line[len(REDIS_FLOOR):].split()[0])
        self.note(case, "script", round_number, {"publications_per_second": rate})
        say(f"  {case.name}, bare script: {rate:,.0f} publications/s")

    def run(self, cases, rounds):
        for round_number in range(rounds):
            say(f"round {round_number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}")
            for case in cases:
                self.run_case(case, round_number)
                if case.name == "publish-client":
                    self.run_script_floor(case, round_number)


HEADLINES = {
    "idle": ("rss_bytes_per_connection", "bytes/connection"),
    "connect": ("connections_per_cpu_second", "connections per CPU second"),
    "fanout": ("deliveries_per_cpu_second", "deliveries per CPU second"),
    "channels": ("deliveries_per_cpu_second", "deliveries per CPU second"),
    "publish": ("publications_per_cpu_second_with_redis", "publications per CPU second, Redis in"),
    "storm": ("recoveries_per_cpu_second", "recoveries per CPU second"),
}


def summary(case, figures):
    figure, unit = HEADLINES[case.scenario]
    return f"{figures[figure]:,.0f} {unit}"


def available(kinds):
    """Those that can run here; of the others a line says why not."""
    there = []
    for kind in kinds:
        why = kind.missing()
        if why is None:
            there.append(kind)
        else:
            say(f"skipped: {kind.title}: {why}")
    return there
