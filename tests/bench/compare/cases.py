"""What is measured: cases for the table, and sweeps for the plots. Each is one call of
holdfast-bench; `servers` names those for which it makes sense."""

import dataclasses

BOTH = ("holdfast", "centrifuge")
ALL = ("holdfast", "centrifuge", "nchan", "socketio")


@dataclasses.dataclass
class Case:
    name: str
    scenario: str
    title: str
    options: list
    servers: tuple = BOTH
    wire: str = "json"  # of the servers that speak several
    history: int = 300
    sweep: str = ""  # the plot that it is a point of
    x: int = 0
    half_of: str = ""  # at half the rate that the peer reached in that case

    def quick(self):
        """The same, short; idle connections are watched for one interval of pings."""
        quick = dataclasses.replace(self, options=list(self.options))
        if self.name == "idle":
            quick.options[quick.options.index("--seconds") + 1] = "25"
            return quick
        for option, value in (("--seconds", "2"), ("--warm-up", "0.5")):
            if option in quick.options:
                quick.options[quick.options.index(option) + 1] = value
        return quick


def load(seconds=5):
    return ["--seconds", str(seconds), "--warm-up", "1"]


def fanout(name, title, wire, servers, *options, **more):
    return Case(name, "fanout", title, ["--clients", "1000", *options, *load()], servers, wire, **more)


CASES = [
    Case("idle", "idle", "10,000 idle connections with a subscription each",
         ["--clients", "10000", "--seconds", "50"], ("holdfast", "centrifuge", "nchan")),
    Case("connect", "connect", "10,000 connections with a subscription each",
         ["--clients", "10000"], BOTH),
    fanout("fanout", "fan-out to 1,000, at full speed, JSON", "json", ALL),
    fanout("fanout-protobuf", "fan-out to 1,000, at full speed, Protobuf", "protobuf", BOTH),
    fanout("fanout-rate", "fan-out to 1,000, at half of the peer's full rate", "json", BOTH,
           half_of="fanout"),
    Case("channels", "channels", "1,000 channels with 5 subscribers each, JSON",
         ["--clients", "5000", "--channels", "1000", "--publishers", "64", *load()]),
    Case("channels-client", "channels", "the same, published by clients over Protobuf",
         ["--clients", "5000", "--channels", "1000", "--publishers", "16", "--publish-by", "client",
          *load()], BOTH, "protobuf"),
    Case("publish-api", "publish", "publish with history over the HTTP API",
         ["--publishers", "64", *load()]),
    Case("publish-client", "publish", "publish with history over WebSocket",
         ["--publish-by", "client", *load()]),
    Case("publish-subscribed", "publish", "the same with 10 subscribers",
         ["--publish-by", "client", "--clients", "10", "--window", "1024", *load()]),
    Case("storm-shared", "storm", "10,000 come back to one channel, 10 missed each",
         ["--clients", "10000", "--warm-up", "1"]),
    Case("storm-personal", "storm", "10,000 come back to a channel each, 10 missed each",
         ["--clients", "10000", "--channels", "10000", "--publishers", "64", "--warm-up", "1"]),
]

SWEEPS = [
    *[Case(f"idle-{n}", "idle", "", ["--clients", str(n), "--seconds", "1"],
           ("holdfast", "centrifuge", "nchan"), sweep="connections", x=n)
      for n in (1000, 2000, 5000, 10000)],
    *[Case(f"subscribers-{n}", "fanout", "",
           ["--clients", str(n), "--window", str(max(16, 64000 // n)), *load(3)], ALL,
           sweep="subscribers", x=n)
      for n in (10, 100, 1000, 5000)],
    *[Case(f"channels-{n}", "channels", "",
           ["--clients", "5000", "--channels", str(n), "--publishers", "64", *load(3)],
           sweep="channels", x=n)
      for n in (10, 100, 1000, 5000)],
    *[Case(f"history-{n}", "publish", "",
           ["--publish-by", "client", *load(3)], history=n, sweep="history", x=n)
      for n in (10, 100, 1000, 10000)],
]
