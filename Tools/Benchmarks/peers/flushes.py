"""Counts the flushes of a side's commits with strace: what a comparison of durable writes is worth depends on them."""

import re
import shutil
import subprocess
import sys

from . import engram, record_sides

FLUSHES = re.compile(r"\b(?:fsync|fdatasync|msync)\(")


def of_commit(work, side, command, few=20, many=120):
    """Flushes of one commit: those of a run with many updates less those of a run with few, by their difference. Nothing without strace."""
    if shutil.which("strace") is None:
        return None
    counts = []
    for updates in [few, many]:
        trace = work / f"{side}-{updates}.trace"
        store = work / f"{side}-{updates}"
        traced = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=openat,fsync,fdatasync,msync,pwrite64,pwritev", *command]
        if side in PYTHON:
            finished = subprocess.run([*traced, store, str(updates)], check=False)
            if finished.returncode:
                return None
        else:
            worker = engram.Worker(traced)
            worker.call("openRaw" if side == "raw LMDB" else "open", store)
            worker.call("fill", store, count=64)
            worker.call("update", store, tasks=1, updates=updates)
            worker.call("close", store)
            worker.end()
        counts.append(counted(trace.read_text(encoding="utf-8", errors="replace")))
    return (counts[1] - counts[0]) / (many - few)


def counted(trace):
    """Flushes, and writes to files that were opened with O_DSYNC: LMDB writes its meta page to one."""
    count, synchronous, opening = 0, set(), {}
    for line in trace.splitlines():
        process, _, call = line.partition(" ")
        call = call.strip()
        if call.startswith("openat("):
            opening[process] = "O_DSYNC" in call or "O_SYNC" in call
        if call.startswith(("openat(", "<... openat resumed>")):
            opened = re.search(r"\) = (\d+)$", call)
            if opened:
                (synchronous.add if opening.get(process) else synchronous.discard)(opened[1])
        elif FLUSHES.match(call):
            count += 1
        else:
            written = re.match(r"pwrite(?:64|v)\((\d+),", call)
            count += bool(written and written[1] in synchronous)
    return count


PYTHON = {"py-lmdb": record_sides.PyLMDB, "SQLite (apsw)": record_sides.SQLite}

if __name__ == "__main__":
    made = PYTHON[sys.argv[1]](sys.argv[2])
    made.fill(64)
    made.update(1, int(sys.argv[3]))
