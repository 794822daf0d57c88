#!/usr/bin/env python3
"""Checks that every test that docs/guarantees.md names is there.

Usage: guarantees.py GUARANTEES.md NAME...    NAME: every test that ctest has

Each row of its tables ends with names in backquotes. Exits with 1 after telling every one that is
no test, and every row without a name.
"""
import re
import sys
from pathlib import Path


def main():
    document, names = sys.argv[1], set(sys.argv[2:])
    faults = []
    rows = 0
    for line in Path(document).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or cells[-1] in ("tested in", "---"):
            continue
        rows += 1
        named = re.findall(r"`([^`]+)`", cells[-1])
        if not named:
            faults.append(f"no test: {line}")
        faults += [f"there is no test {name}: {line}" for name in named if name not in names]
    if rows == 0:
        faults.append(f"{document} has no rows")
    print("\n".join(faults) if faults else f"{rows} rows")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
