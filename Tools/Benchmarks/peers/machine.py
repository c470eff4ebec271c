"""What the figures depend on: processor, caches, load, disk, versions."""

import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import time

# Extensions that decide how fast sums of products are.
FLAGS = ["sse4_2", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "asimd", "sve"]
CHANGING = ["OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OMP_WAIT_POLICY"]


def say(message):
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


def third_level_cache_bytes():
    """The least that is reported, or nothing: in a virtual machine the kernel and the C library may disagree."""
    found = []
    try:
        size = pathlib.Path("/sys/devices/system/cpu/cpu0/cache/index3/size").read_text(encoding="ascii").strip()
        found.append(int(size.rstrip("KM")) * {"K": 1 << 10, "M": 1 << 20}.get(size[-1], 1))
    except (OSError, ValueError):
        pass
    reported = subprocess.run(["getconf", "LEVEL3_CACHE_SIZE"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout.strip()
    if reported.isdigit() and int(reported):
        found.append(int(reported))
    return sorted(found)


def megabytes(size):
    return f"{size / 1e6:,.3g} MB"


def residency(size):
    """Where a working set of `size` bytes can lie between two queries."""
    caches = third_level_cache_bytes()
    if not caches:
        where = "the L3 is unknown"
    elif size < caches[0]:
        where = f"cached, the L3 has {megabytes(caches[0])}"
    elif size >= caches[-1]:
        where = f"more than the L3 of {megabytes(caches[-1])}"
    else:
        where = f"the L3 is reported as {' and as '.join(map(megabytes, caches))}: perhaps cached"
    return f"{megabytes(size)} of vectors: {where}"


def description(folder):
    information = dict(re.findall(r"^(model name|flags|Features)\s*:\s*(.*)$", open("/proc/cpuinfo", encoding="utf-8").read(), re.MULTILINE))
    known = set(information.get("flags", information.get("Features", "")).split())
    disk = subprocess.run(["df", "--output=fstype,source", folder], stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines()
    return {
        "processor": information.get("model name", "unknown"),
        "processors": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in known],
        "l3_bytes": third_level_cache_bytes(),
        "load": os.getloadavg()[0],
        "kernel": os.uname().release,
        "file_system": disk[-1].split()[0] if disk else "unknown",
        "environment": {name: os.environ[name] for name in CHANGING if name in os.environ},
    }


def version(package):
    return importlib.metadata.version(package)
