#!/usr/bin/env python3
"""Prints the commands of README's section 'memtool' as a shell script that stops at the first one that fails.

The export that one of them imports is not in the repository: the script makes a small one.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXPORT = (
    '[{"id":"c","title":"Zebras","create_time":1690000000,"current_node":"a","mapping":{"root":{"id":"root","message":null,"parent":null,'
    '"children":["q"]},"q":{"id":"q","parent":"root","message":{"id":"m-q","author":{"role":"user"},"create_time":1700000000,"content":'
    '{"content_type":"text","parts":["Why do zebras have stripes?"]}}},"a":{"id":"a","parent":"q","message":{"id":"m-a","author":{"role":'
    '"assistant"},"create_time":1700000001,"content":{"content_type":"text","parts":["Flies land on them less often."]}}}}}]'
)


def main():
    readme = (ROOT / "README.md").read_text()
    section = re.search(r"^## memtool\n+```\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    commands = [re.sub(r"\s+#.*", "", line) for line in section[1].splitlines()] if section else []
    if len(commands) < 10 or not all(command.startswith("memtool ") for command in commands):
        sys.exit("README.md has no section 'memtool' that begins with a block of commands.")
    print("set -eu\nmkdir chatgpt-export")
    print(f"cat >chatgpt-export/conversations.json <<'END'\n{EXPORT}\nEND")
    for command in commands:
        print(f"printf '%s\\n' {quoted('$ ' + command)}\n{command}")
    print(f"printf '%s\\n' 'All {len(commands)} commands of the tour worked.'")


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    main()
