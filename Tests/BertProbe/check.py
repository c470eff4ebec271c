#!/usr/bin/env python3
"""Compares EngramBERT with the reference on 1,000 varied texts: check.py BERTPROBE MODEL_FOLDER

Fails unless all token ids are equal, and all cosines are at least 0.9999.
"""
import json
import subprocess
import sys

import numpy

from reference import Reference
from texts import texts


def main():
    probe, folder = sys.argv[1:]
    asked = texts(1000)
    answer = subprocess.run([probe, folder], input=json.dumps({"texts": asked, "repeat": 1}) + "\n", stdout=subprocess.PIPE, text=True, check=True)
    answer = json.loads(answer.stdout)
    reference = Reference(folder)
    ids = [reference.ids(text) for text in asked]
    wrong = [text for text, expected, found in zip(asked, ids, answer["ids"]) if expected != found]
    for text in wrong[:10]:
        print(f"other token ids: {text[:200]!r}")
    vectors = numpy.array(answer["vectors"])
    expected = numpy.array([reference.vector(i) for i in ids], dtype=numpy.float64)
    cosines = (vectors * expected).sum(1) / numpy.linalg.norm(vectors, axis=1) / numpy.linalg.norm(expected, axis=1)
    lowest = int(cosines.argmin())
    print(
        f"{len(asked)} texts, {sum(map(len, ids))} tokens: {len(asked) - len(wrong)} with equal ids, lowest cosine {cosines[lowest]:.7f},"
        f" {len(asked)} texts embedded in {answer['seconds'][0]:.2f} s")
    sys.exit(bool(wrong) or len(vectors) != len(asked) or not cosines[lowest] >= 0.9999)


main()
