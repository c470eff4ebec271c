#!/usr/bin/env python3
"""Measures EngramBERT beside PyTorch on one machine, in turns: compare.py BERTPROBE MODEL_FOLDER [ROUNDS]

    pip install torch sentence-transformers

Each round embeds one short text, a batch of 64 short ones, and one of 256 tokens, with both; the median of all rounds is printed. Both have two threads.
"""
import json
import statistics
import subprocess
import sys
import time

import torch
from sentence_transformers import SentenceTransformer

SENTENCES = [
    "She loves ramen with extra chili and a soft egg.", "The restaurant is closed on Mondays.", "I'm teaching my children to paint!",
    "What does she like to eat after work on Fridays?", "My appointment is at 10:45 on 3 May, don't forget.",
    "We went hiking last weekend and saw two deer near the lake.", "He moved to Lisbon in 2019 to work for a bank.", "Why is that?",
]


def main():
    probe, folder = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    torch.set_num_threads(2)
    model = SentenceTransformer(folder, device="cpu")
    child = subprocess.Popen([probe, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ours(texts, repeat):
        child.stdin.write(json.dumps({"texts": texts, "repeat": repeat}) + "\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())["seconds"]

    def theirs(texts, repeat):
        seconds = []
        for _ in range(repeat):
            start = time.perf_counter()
            model.encode(texts, batch_size=64, show_progress_bar=False)
            seconds.append(time.perf_counter() - start)
        return seconds

    batch = [f"{SENTENCES[i % len(SENTENCES)]} {i}" for i in range(64)]
    cases = {"one short text": (SENTENCES[:1], 20), "64 short texts": (batch, 3), "one text of 256 tokens": (["ramen and chili " * 200], 5)}
    measured = {(name, who): [] for name in cases for who in ("torch", "Engram")}
    for number in range(rounds + 1):
        for name, (texts, repeat) in cases.items():
            for who, embed in (("torch", theirs), ("Engram", ours)):
                seconds = embed(texts, repeat)
                if number:  # The first round warms up.
                    measured[name, who] += seconds
    child.stdin.close()
    child.wait()
    for name, (texts, _) in cases.items():
        ms = {who: 1000 * statistics.median(measured[name, who]) for who in ("torch", "Engram")}
        print(
            f"{name:24s} torch {ms['torch']:8.2f} ms   Engram {ms['Engram']:8.2f} ms   {ms['torch'] / ms['Engram']:.2f} times as fast,"
            f" {1000 * len(texts) / ms['Engram']:.0f} texts/s")


main()
