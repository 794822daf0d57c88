#!/usr/bin/env python3
"""Embeds the Lua scripts: lua_table.py OUT IN...

A line "-- include: FILE" stands for the text of that file (a fragment in lua/include/).
Writes the C table that engine/redis/scripts.h declares (name, SHA1, text), ordered by name, and
the index of each script as a constant. Fails when a script's header lacks a part.
"""
import hashlib
import pathlib
import re
import sys

# What every header says, in this order (docs: the style guide's "Lua script header").
PARTS = [
    ("name", r"-- name: (\S+)$"),
    ("purpose", r"-- purpose: \S"),
    ("needs", r"-- needs: redis >= \d+\.\d+.*, (writes|no-writes)$"),
    ("KEYS", r"-- KEYS\[[^\]]+\] \S.*\("),
    ("ARGV", r"-- ARGV\[[^\]]+\] \S"),
    ("returns", r"-- returns: \S"),
    ("atomicity", r"-- atomicity: \S"),
    ("cost", r"-- cost: \S"),
]


def check_header(path, text):
    """The problems of a script's header, as a list of texts."""
    header = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        header.append(line)
    problems, position = [], 0
    for part, pattern in PARTS:
        found = next((i for i in range(position, len(header)) if re.match(pattern, header[i])), None)
        if found is None:
            problems.append(f"{path}: the header has no '-- {part}' part, or not in its place")
        else:
            position = found
    name = re.match(PARTS[0][1], header[0]) if header else None
    if name and name.group(1) != path.stem:
        problems.append(f"{path}: the header names it {name.group(1)}")
    return problems


def without_header(text):
    """The script's lines behind the header: what Redis needs of it."""
    lines = text.splitlines()
    while lines and lines[0].startswith("--"):
        lines.pop(0)
    return "\n".join(lines).strip() + "\n"


def with_includes(path, text):
    """Puts each file that a line "-- include: FILE" names in that line's place."""
    return re.sub(r"^-- include: (\S+)$",
                  lambda match: (path.parent / match.group(1)).read_text(encoding="ascii").rstrip(),
                  text, flags=re.MULTILINE)


def c_string(text):
    lines = []
    for line in text.splitlines():
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
        lines.append(f'    "{escaped}\\n"')
    return "\n".join(lines)


def main():
    out, *inputs = [pathlib.Path(argument) for argument in sys.argv[1:]]
    problems, texts, entries = [], [], []
    for path in sorted(inputs):
        text = path.read_text(encoding="ascii")
        problems += check_header(path, text)
        body = with_includes(path, without_header(text))
        sha1 = hashlib.sha1(body.encode()).hexdigest()
        texts.append(f"static const char {path.stem}[] =\n{c_string(body)};\n")
        entries.append(f'    [HF_SCRIPT_{path.stem.upper()}] = {{"{path.stem}", "{sha1}",\n'
                       f"        {path.stem}, sizeof {path.stem} - 1}},")
    if problems:
        sys.exit("\n".join(problems))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        "/* Made by scripts/lua_table.py from lua/. */\n"
        '#include "redis/scripts.h"\n\n' + "\n".join(texts) + "\n"
        "const struct hf_script hf_scripts[HF_SCRIPTS] = {\n" + "\n".join(entries) + "\n};\n\n"
        f'_Static_assert(HF_SCRIPTS == {len(entries)}, "engine/redis/scripts.h lists every script");\n')


if __name__ == "__main__":
    main()
