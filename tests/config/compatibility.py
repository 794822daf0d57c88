#!/usr/bin/env python3
"""Holds the tables of options in docs/compatibility.md against the program and the peer's options.

Usage: compatibility.py HOLDFAST COMPATIBILITY.md PEER.tsv

PEER.tsv has a line for each option of the peer: its path, a tab, its default as JSON. What the
program does is asked of its commands `defaultconfig` and `checkconfig`. Exits with 1 after telling
every difference.
"""
import fnmatch
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NOT_OFFERED = "known, but not offered in this version of Holdfast"
WITHOUT_NAMESPACE = "channel.without_namespace."
KINDS = {"works", "differs", "not offered", "no effect"}
OURS = "holdfast."
# Known to the peer's commercial version only.
PEER_PRO = {WITHOUT_NAMESPACE + "allow_channel_compaction"}


def read_tables(text):
    """Yields (heading cells, rows) of every table in the text."""
    table = None
    for line in text.splitlines() + [""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if table is None:
                table = (cells, [])
            elif not set(line) <= set("|-"):
                table[1].append(cells)
        elif table is not None:
            yield table
            table = None


def read_document(path):
    """Returns the kinds of the options (path or pattern -> kind) and the refused values."""
    kinds, values = {}, []
    for heading, rows in read_tables(path.read_text()):
        if heading[:2] == ["option", "here"]:
            for names, kind, *_ in rows:
                for name in re.findall(r"`([^`]+)`", names):
                    full = WITHOUT_NAMESPACE + name if is_of_namespaces(rows) else name
                    if full in kinds:
                        fail(f"{full} is in the tables twice")
                    if kind not in KINDS:
                        fail(f"{full}: no such kind: {kind}")
                    kinds[full] = kind
        elif heading == ["option", "value", "error"]:
            values += [[cell.strip("`") for cell in row] for row in rows]
    return kinds, values


def is_of_namespaces(rows):
    """The options of a namespace are written without a path; the first of them is its name."""
    return rows[0][0] == "`name`"


failures = []


def fail(what):
    failures.append(what)


def nested(options):
    """{"a.b": 1} -> {"a": {"b": 1}}"""
    root = {}
    for path, value in options.items():
        *sections, key = path.split(".")
        place = root
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    return root


def flat(value, path=""):
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from flat(member, f"{path}.{key}" if path else key)
    else:
        yield path


class Program:
    def __init__(self, binary, folder):
        self.binary = binary
        self.file = folder / "config.json"

    def run(self, *arguments):
        return subprocess.run(
            [self.binary, *arguments], capture_output=True, text=True, timeout=60, env={}
        )

    def catalogue(self):
        return set(flat(json.loads(self.run("defaultconfig", "-d").stdout)))

    def check(self, options):
        """The exit code and the errors that checkconfig gives with these options."""
        self.file.write_text(json.dumps(nested(options)))
        done = self.run("checkconfig", "-c", str(self.file))
        return done.returncode, done.stdout + done.stderr

    def refused(self, options):
        """The paths among the options that are refused as not offered."""
        output = self.check(options)[1]
        return {path for path in options if f" {path}: {NOT_OFFERED}" in output}


def kind_of(kinds, path):
    """The kind of an option; a row with its name counts more than one with a pattern."""
    if path in kinds:
        return kinds[path], path
    for pattern, kind in kinds.items():
        if pattern.endswith("*") and fnmatch.fnmatchcase(path, pattern):
            return kind, pattern
    return None, None


def check_catalogue(program, kinds, peer):
    catalogue = program.catalogue() | {WITHOUT_NAMESPACE + "name"}
    for path in sorted(catalogue):
        kind = kinds.get(path)
        if not path.startswith(OURS) and kind not in ("works", "differs"):
            fail(f"{path} is an option of the program, the tables say: {kind}")
    for path, kind in kinds.items():
        if kind in ("works", "differs") and path not in catalogue:
            fail(f"{path} is no option of the program, the tables say: {kind}")
    for path in sorted(catalogue - set(peer) - PEER_PRO):
        if not path.startswith(OURS) and path != WITHOUT_NAMESPACE + "name":
            fail(f"{path} is an option of the program and none of the peer")


def check_peer(program, kinds, peer):
    used = {}
    for path in peer:
        kind, row = kind_of(kinds, path)
        if kind is None:
            fail(f"{path} is an option of the peer and in no table")
        else:
            used.setdefault((kind, row), []).append(path)
    for path, kind in kinds.items():
        known = path in peer or path in PEER_PRO or path == WITHOUT_NAMESPACE + "name"
        if not known and (kind, path) not in used:
            fail(f"{path} is in a table and no option of the peer")

    # True asks for something whatever the option's type.
    asking = {path: True for (kind, _), paths in used.items() for path in paths if kind == "not offered"}
    refused = program.refused(asking)
    for (kind, row), paths in used.items():
        if kind == "not offered" and not refused & set(paths):
            fail(f"{row} is said to be not offered, but accepted")
        if kind == "not offered" and not row.endswith("*") and row not in refused:
            fail(f"{row} is not refused with: {NOT_OFFERED}")
    idle = {path: True for (kind, _), paths in used.items() for path in paths if kind == "no effect"}
    code, output = program.check(idle)
    if code != 0:
        fail(f"what is said to have no effect is refused: {output}")
    code, output = program.check(peer)
    if code != 0:
        fail(f"the peer's defaults are refused: {output}")


def check_values(program, values):
    if not values:
        fail("there is no table of refused values")
    for path, value, error in values:
        options = {"engine.type": "redis"} if path.startswith("engine.redis.") else {}
        code, output = program.check(options | {path: json.loads(value)})
        if code != 1 or error not in output:
            fail(f"{path} with {value}: expected {error!r}, got {code}: {output}")


def check_unknown(program):
    for path, nearest in (("client.channel_limt", "client.channel_limit"),
                          ("channel.without_namespace.history_sise", "history_size"),
                          ("wobsocket.compression", "websocket")):
        code, output = program.check({path: 1})
        if code != 1 or "unknown key; the nearest valid key is" not in output or nearest not in output:
            fail(f"the unknown {path} got {code}: {output}")


def main():
    binary, document, peer_file = sys.argv[1:]
    peer = {}
    for line in Path(peer_file).read_text().splitlines():
        path, default = line.split("\t")
        peer[path] = json.loads(default)
    kinds, values = read_document(Path(document))
    with tempfile.TemporaryDirectory() as folder:
        program = Program(binary, Path(folder))
        check_catalogue(program, kinds, peer)
        check_peer(program, kinds, peer)
        check_values(program, values)
        check_unknown(program)
    for failure in failures:
        print(failure)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
