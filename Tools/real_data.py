#!/usr/bin/env python3
"""Checks memtool on real embeddings against NumPy: import, search, export, a second import, and an independent reader.

    Tools/real_data.py --memtool .build/release/memtool --vectors minilm-60k.f16.npy --texts minilm-60k.txt.gz

Needs numpy (and lmdb, cbor2, xxhash for the independent reader). Exits 1 on the first difference.
"""

import argparse
import base64
import datetime
import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy

SCORE_TOLERANCE = 1e-6


def run(memtool, *arguments):
    """The output of memtool; its failure is ours."""
    return subprocess.run([memtool, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout


def timed(what, count, body):
    start = time.perf_counter()
    result = body()
    seconds = time.perf_counter() - start
    rate = f", {count / seconds:,.0f} a second" if count else ""
    print(f"{what}: {seconds:.2f} s{rate}", flush=True)
    return result


def fail(message):
    print(f"FAILED: {message}")
    sys.exit(1)


def write_lines(path, vectors, texts, users, form):
    with open(path, "w", encoding="utf-8") as file:
        for index, (vector, text) in enumerate(zip(vectors, texts)):
            embedding = base64.b64encode(vector.tobytes()).decode() if form == "base64" else [float(value) for value in vector]
            line = {
                "type": "memory",
                # Ids in the order of the rows, so that NumPy can tell which is which and ties break alike.
                "id": f"00000000-0000-7000-8000-{index:012x}",
                "userID": f"user-{index % users}",
                "text": text or "(empty)",
                "kind": "description",
                "createdAt": "2026-01-01T00:00:00.000Z",
                "embedding": embedding,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def row_of(hit):
    return int(hit["id"].replace("-", "")[-12:], 16)


def compare(name, hits, candidates, scores):
    """Whether the hits are NumPy's, in order; neighbours whose scores differ by less than the tolerance may change places."""
    order = candidates[numpy.lexsort((candidates, -scores[candidates]))][: len(hits)]
    for place, (hit, expected) in enumerate(zip(hits, order)):
        row = row_of(hit)
        if abs(hit["score"] - scores[row]) > SCORE_TOLERANCE:
            fail(f"{name}, place {place}: memtool says {hit['score']} for row {row}, NumPy {scores[row]}")
        if row != expected and abs(scores[row] - scores[expected]) > SCORE_TOLERANCE:
            fail(f"{name}, place {place}: memtool finds row {row}, NumPy {expected}")
    return max(abs(hit["score"] - scores[row_of(hit)]) for hit in hits)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memtool", required=True)
    parser.add_argument("--vectors", required=True, help="a .npy of float16 or float32 rows")
    parser.add_argument("--texts", required=True, help="a gzipped text of as many lines")
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--queries", type=int, default=100, help="of each scope")
    arguments = parser.parse_args()

    vectors = numpy.load(arguments.vectors).astype(numpy.float32)
    with gzip.open(arguments.texts, "rt", encoding="utf-8") as file:
        texts = [line.rstrip("\n") for line in file]
    if len(texts) != len(vectors):
        fail(f"{len(texts)} texts for {len(vectors)} vectors")
    count, dimension = vectors.shape
    norms = numpy.linalg.norm(vectors.astype(numpy.float64), axis=1, keepdims=True)
    unit = vectors.astype(numpy.float64) / norms
    memtool = arguments.memtool

    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        store = home / "real.memory"
        for form in ["array", "base64"]:
            lines = home / f"{form}.jsonl"
            write_lines(lines, vectors, texts, arguments.users, form)
            store = home / f"{form}.memory"
            run(memtool, "create", store, "--dimension", dimension)
            timed(f"import of {count:,} lines, {form}", count, lambda: run(memtool, "import", store, lines))

        generator = numpy.random.default_rng(7)
        gap = 0.0
        rows = numpy.arange(count)
        for scope in ["user", "all"]:
            for number in range(arguments.queries):
                query = unit[generator.integers(count)] + generator.normal(0, 0.02, dimension)
                query = (query / numpy.linalg.norm(query)).astype(numpy.float32)
                vector = home / "query.json"
                vector.write_text(json.dumps([float(value) for value in query]))
                user = int(generator.integers(arguments.users))
                flags = ["--user", f"user-{user}"] if scope == "user" else ["--all"]
                output = run(memtool, "search", store, "--vector", vector, *flags, "--limit", 10, "--json")
                hits = [json.loads(line) for line in output.splitlines()]
                if len(hits) != 10:
                    fail(f"{len(hits)} hits instead of 10")
                if scope == "user" and any(hit["userID"] != f"user-{user}" for hit in hits):
                    fail("a hit of another user")
                candidates = rows[rows % arguments.users == user] if scope == "user" else rows
                gap = max(gap, compare(f"query {number} over {scope}", hits, candidates, unit @ query.astype(numpy.float64)))
        print(f"{2 * arguments.queries} searches agree with NumPy; the largest difference of a score is {gap:.1e}")

        first, second = home / "first.jsonl", home / "second.jsonl"
        timed("export", count, lambda: run(memtool, "export", store, "-o", first))
        copy = home / "copy.memory"
        run(memtool, "create", copy, "--dimension", dimension)
        timed("import of the export", count, lambda: run(memtool, "import", copy, first))
        run(memtool, "export", copy, "-o", second)
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
        if digests[0] != digests[1]:
            fail("the exports of both stores differ")
        print(f"both exports are equal: {first.stat().st_size:,} bytes, SHA-256 {digests[0][:16]}…")

        reader = pathlib.Path(__file__).with_name("read_store.py")
        output = timed(
            "reading the store with py-lmdb, cbor2 and NumPy", count,
            lambda: subprocess.run([sys.executable, reader, store], check=True, stdout=subprocess.PIPE, text=True).stdout)
        ours = {line["id"]: line for line in map(json.loads, first.read_text().splitlines()) if line["type"] == "memory"}
        theirs = {line["id"]: line for line in map(json.loads, output.splitlines()) if line["type"] == "memory"}
        for memory in ours.values():
            for field in ("createdAt", "expiresAt"):
                if memory[field] is not None:
                    moment = datetime.datetime.fromisoformat(memory[field].replace("Z", "+00:00"))
                    memory[field] = round(moment.timestamp() * 1000)
        if ours != theirs:
            different = next(key for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key))
            fail(f"memtool and the independent reader disagree on {different}")
        print(f"the independent reader agrees on all {len(theirs):,} memories")
        print(timed("verify", count, lambda: run(memtool, "verify", store)).strip())


if __name__ == "__main__":
    main()
