#!/usr/bin/env python3
"""Makes ranking.json: texts with their terms, and scopes with the scores of queries, by the reference of the ranking.

    pip install numpy PyStemmer
    make_ranking.py REFERENCE/rank.py CONVERSATIONS.json > ranking.json

The conversations give the vocabulary only: the memories are words of it at random, so that the fixture holds nobody's sentences.
"""

import importlib.util
import json
import random
import re
import sys

import numpy


def main():
    spec = importlib.util.spec_from_file_location("rank", sys.argv[1])
    rank = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rank)
    samples = json.load(open(sys.argv[2]))
    words = sorted(set(re.findall(r"[A-Za-z0-9']+", json.dumps([sample["conversation"] for sample in samples]))))
    random.seed(20)
    vocabulary = random.sample(words, 900)
    common = [f"{word}" for word in "I you the What which went children better seven don't was Friday Oslo ramen It's U.S. 1999".split()]

    def text(count):
        pieces = [random.choice(vocabulary[:60] if random.random() < 0.6 else common if random.random() < 0.5 else vocabulary) for _ in range(count)]
        return "".join(piece + random.choice([" ", " ", " ", ", ", ". ", "? ", "! ", "?! ", "!? ", "\n", "...", " - ", "\t"]) for piece in pieces)

    texts = ["", "?", "...", "Really?! Yes.", "no", "a\nb?", "WHAT? what! What?", *(text(random.randrange(40)) for _ in range(60)), *vocabulary]
    months = "January February March April May June July August September October November December".split()
    scopes = []
    for kind in range(5):
        memories = []
        for index in range([40, 25, 30, 1, 60][kind]):
            memory = {"text": text(random.randrange(1, 25)), "second": 1_600_000_000 + index * 40_000}
            if kind != 1:
                memory["session"] = f"s{index // 8}" if kind != 4 or index % 3 else None
                memory["author"] = random.choice(["Ada", "Grace Hopper", ""])
                memory["extra"] = text(4) if random.random() < 0.2 else ""
            memories.append({key: value for key, value in memory.items() if value not in (None, "")})
        vectors = numpy.random.default_rng(kind).standard_normal((len(memories), 8)).astype(numpy.float32)
        vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
        import datetime

        known = []
        for memory in memories:
            day = datetime.datetime.fromtimestamp(memory["second"], datetime.timezone.utc)
            known.append({**memory, "date": f"{day.day} {months[day.month - 1]} {day.year}"})
        reference = rank.Scope(known, vectors)
        queries = []
        for number in range(12):
            query = text(random.randrange(1, 9)) + random.choice(["", "2020", "Ada", "October 4", "Grace"])
            vector = numpy.random.default_rng(100 * kind + number).standard_normal(8).astype(numpy.float32)
            vector /= numpy.linalg.norm(vector)
            queries.append({
                "text": query, "vector": [float(value) for value in vector],
                "lexical": [round(float(score), 9) for score in reference.scores(query)],
                "hybrid": [round(float(score), 9) for score in reference.scores(query, vector)],
            })
        scopes.append({"memories": memories, "vectors": [[float(value) for value in row] for row in vectors], "queries": queries})
    json.dump({"terms": [[text, rank.terms(text)] for text in texts], "scopes": scopes}, sys.stdout, separators=(",", ":"))
    print()


main()
