#!/usr/bin/env python3
"""Turns LoCoMo conversations into Engram's JSON Lines: one memory a turn, user = conversation; session, speaker and date kept.

    Tools/locomo_to_jsonl.py locomo-dev.json > locomo.jsonl
    memtool create locomo.memory --embedder hashing
    memtool import locomo.memory locomo.jsonl
"""

import argparse
import datetime
import json
import re
import sys


def session_time(text):
    """The date of a session, such as '1:56 pm on 8 May, 2023', as milliseconds since 1970."""
    moment = datetime.datetime.strptime(re.sub(r"\s+", " ", text.strip()), "%I:%M %p on %d %B, %Y")
    return moment.replace(tzinfo=datetime.timezone.utc)


def memories(conversations):
    for number, entry in enumerate(conversations):
        conversation = entry.get("conversation", entry)
        user = str(entry.get("sample_id", f"conversation-{number}"))
        sessions = sorted((int(match[1]), name) for name in conversation if (match := re.fullmatch(r"session_(\d+)", name)))
        for _, session in sessions:
            start = session_time(conversation[f"{session}_date_time"])
            for index, turn in enumerate(conversation[session]):
                text = turn["text"]
                if turn.get("blip_caption"):
                    text += f" [shares {turn['blip_caption']}]"
                moment = start + datetime.timedelta(seconds=index)
                yield {
                    "type": "memory",
                    "userID": user,
                    "text": text,
                    "kind": "turn",
                    "sessionID": session,
                    "speaker": turn["speaker"],
                    "createdAt": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                    "metadata": {"turn": turn["dia_id"]},
                }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="a LoCoMo JSON file")
    with open(parser.parse_args().file, encoding="utf-8") as file:
        for memory in memories(json.load(file)):
            json.dump(memory, sys.stdout, ensure_ascii=False)
            sys.stdout.write("\n")


if __name__ == "__main__":
    main()
