"""Writes what was measured into docs/performance.md, between its markers, and the plots beside it."""

import dataclasses
import datetime
import os
import pathlib
import platform
import re
import subprocess

import plot

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/performance.md"
PLOTS = ROOT / "docs/performance"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclasses.dataclass
class Target:
    what: str
    case: str
    figure: str
    unit: str
    goal: float          # ratio to `against`
    at_least: bool       # else at most
    against: str = "centrifuge"
    against_figure: str = ""  # where it is not the same

    def goal_text(self):
        share = f"{self.goal:g}" if self.goal >= 1 else f"1/{1 / self.goal:g}" if self.goal < 0.75 \
            else f"{self.goal:g}"
        return f"{'≥' if self.at_least else '≤'} {share}"


TARGETS = [
    Target("memory per idle connection", "idle", "rss_bytes_per_connection", "bytes", 1 / 10, False),
    Target("CPU of an idle connection", "idle", "cpu_us_per_connection_minute", "µs/min", 1 / 5, False),
    Target("fan-out, full speed, JSON", "fanout", "deliveries_per_cpu_second", "/CPU s", 3, True),
    Target("fan-out, full speed, Protobuf", "fanout-protobuf", "deliveries_per_cpu_second", "/CPU s", 3,
           True),
    Target("fan-out against a bare send() loop", "fanout", "deliveries_per_cpu_second", "/CPU s", 0.8,
           True, "send"),
    Target("fan-out at half the peer's rate", "fanout-rate", "deliveries_per_cpu_second", "/CPU s", 3, True),
    Target("the same, against a bare send() loop", "fanout-rate", "deliveries_per_cpu_second", "/CPU s",
           0.8, True, "send"),
    Target("p99 delivery latency there", "fanout-rate", "delivery_p99_us", "µs", 1 / 2, False),
    Target("many channels", "channels", "deliveries_per_cpu_second", "/CPU s", 3, True),
    Target("many channels, published by clients", "channels-client", "deliveries_per_cpu_second",
           "/CPU s", 3, True),
    Target("publish, HTTP API: rate", "publish-api", "publications_per_second", "/s", 2, True),
    Target("publish, HTTP API: per CPU second with Redis", "publish-api",
           "publications_per_cpu_second_with_redis", "/CPU s", 2, True),
    Target("publish, WebSocket: rate", "publish-client", "publications_per_second", "/s", 2, True),
    Target("publish, WebSocket: per CPU second with Redis", "publish-client",
           "publications_per_cpu_second_with_redis", "/CPU s", 2, True),
    Target("publish, WebSocket, against the bare script", "publish-client", "publications_per_second",
           "/s", 0.8, True, "script"),
    Target("publish with 10 subscribers: rate", "publish-subscribed", "publications_per_second", "/s", 2,
           True),
    Target("connecting and subscribing", "connect", "connections_per_cpu_second", "/CPU s", 2, True),
    Target("storm, shared channel: recoveries", "storm-shared", "recoveries_per_cpu_second", "/CPU s", 5,
           True),
    Target("storm, shared channel: Redis commands", "storm-shared", "redis_commands", "", 1 / 1000, False),
    Target("storm, personal channels: recoveries", "storm-personal", "recoveries_per_cpu_second",
           "/CPU s", 3, True),
]

SWEEPS = {
    "connections": ("Memory of idle connections", "connections, a subscription each",
                    "server memory per connection, bytes (less is better)", "rss_bytes_per_connection"),
    "subscribers": ("Fan-out of one channel at full speed", "subscribers of the channel",
                    "deliveries per CPU second of the server (more is better)",
                    "deliveries_per_cpu_second"),
    "channels": ("5,000 subscribers spread over channels", "channels",
                 "deliveries per CPU second of the server (more is better)", "deliveries_per_cpu_second"),
    "history": ("Publishing into history, over WebSocket", "publications that a stream keeps",
                "publications per CPU second of server and Redis (more is better)",
                "publications_per_cpu_second_with_redis"),
}
OTHERS = {"send": "bare send() loop", "script": "bare script"}


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def ratio_text(ratio):
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"


def verdict(target, ratio):
    is_met = ratio >= target.goal if target.at_least else ratio <= target.goal
    return "met" if is_met else "**missed**"


def target_row(target, median):
    ours = median(target.case, "holdfast", target.figure)
    other = median(target.case, target.against, target.against_figure or target.figure)
    if ours is None or other is None or other == 0:
        return f"| {target.what} | | | | {target.goal_text()} | not measured |"
    ratio = ours / other
    against = "" if target.against == "centrifuge" else f" ({OTHERS[target.against]})"
    return (f"| {target.what} | {number(ours)} {target.unit} | {number(other)} {target.unit}{against} | "
            f"{ratio_text(ratio)} | {target.goal_text()} | {verdict(target, ratio)} |")


def others_rows(median, kinds):
    """Servers that take part in some cases only."""
    figures = (("idle", "rss_bytes_per_connection", "memory per idle connection, bytes"),
               ("idle", "cpu_us_per_connection_minute", "CPU of an idle connection, µs/min"),
               ("fanout", "deliveries_per_cpu_second", "fan-out, deliveries per CPU second"),
               ("fanout", "delivery_p99_us", "fan-out at full speed, p99 µs"))
    names = [kind.name for kind in kinds]
    yield "| | " + " | ".join(kind.title for kind in kinds) + " |"
    yield "|---|" + "---|" * len(kinds)
    for case, figure, text in figures:
        values = [median(case, name, figure) for name in names]
        yield f"| {text} | " + " | ".join("" if v is None else number(v) for v in values) + " |"


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout
    version = re.search(r"v=(\S+)", redis)
    return (f"{os.cpu_count()} cores of {model.group(1) if model else platform.processor()}, "
            f"Linux {platform.release().split('-')[0]}, Redis {version.group(1) if version else '?'}")


def draw(sweep, median, results, kinds):
    title, x_label, y_label, figure = SWEEPS[sweep]
    lines = []
    for kind in kinds:
        xs = sorted({r["x"] for r in results if r["sweep"] == sweep and r["server"] == kind.name})
        case = {r["x"]: r["case"] for r in results if r["sweep"] == sweep}
        points = [(x, median(case[x], kind.name, figure)) for x in xs]
        points = [(x, y) for x, y in points if y]
        if points:
            lines.append((kind.name, kind.title, points))
    if not lines:
        return None
    PLOTS.mkdir(exist_ok=True)
    path = PLOTS / f"{sweep}.svg"
    path.write_text(plot.line_plot(title, x_label, y_label, lines), encoding="utf-8")
    return f"![{title}](performance/{sweep}.svg)"


def write(runner, kinds, rounds, quick):
    median, results = runner.median, runner.results
    text = [f"Measured {datetime.date.today().isoformat()} on {machine()}; "
            f"medians of {rounds} round{'s' if rounds > 1 else ''}"
            f"{', shortened (--quick)' if quick else ''}; one machine ran servers, Redis and load.", "",
            "| what | Holdfast | Centrifuge (Go) | ratio | target | |", "|---|---|---|---|---|---|"]
    text += [target_row(target, median) for target in TARGETS]
    text += ["", *others_rows(median, kinds), ""]
    text += [f"`{case}` failed on {name}: clients did not get all that was published.\n"
             for case, name in sorted(set(runner.failures))]
    text += [line for line in (draw(sweep, median, results, kinds) for sweep in SWEEPS) if line]
    page = PAGE.read_text(encoding="utf-8")
    if BEGIN not in page or END not in page:
        raise RuntimeError(f"{PAGE} lacks the lines {BEGIN} and {END}")
    head, rest = page.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    PAGE.write_text(head + BEGIN + "\n" + "\n".join(text) + "\n" + END + tail, encoding="utf-8")
