"""The memories and queries that every side gets: real ones if files are given, else generated ones with the same shape."""

import dataclasses
import gzip
import itertools
import json
import pathlib
import random
import re

import numpy

DIMENSION = 384
EPOCH = 1_767_225_600_000


@dataclasses.dataclass
class Dataset:
    name: str
    # What it is made of, for people.
    origin: str
    # Dictionaries with user, text, created, and if there are conversations session and speaker.
    memories: list
    # Rows of unit length.
    vectors: numpy.ndarray
    queries: list
    query_vectors: numpy.ndarray
    # The numbers of each user's queries.
    asked: dict

    def of_user(self, user):
        return [number for number, memory in enumerate(self.memories) if memory["user"] == user]

    def write(self, folder):
        """Writes what Engram's side reads: see PeerData.swift."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True)
        for name, lines, vectors in [
            ("memories", self.memories, self.vectors), ("queries", [{"text": text} for text in self.queries], self.query_vectors),
        ]:
            with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            vectors.astype("<f4").tofile(folder / f"{name}.f32")


class Sources:
    """Where texts and vectors come from."""

    def __init__(self, conversations, vectors, texts, count):
        self.random = random.Random(5)
        self.numbers = numpy.random.default_rng(5)
        if vectors:
            self.vectors = unit(numpy.load(vectors).astype(numpy.float32))
            self.vector_origin = f"{len(self.vectors):,} vectors of {pathlib.Path(vectors).name}"
        else:
            self.vectors = self.generated_vectors(count)
            self.vector_origin = "generated vectors"
        if texts:
            with gzip.open(texts, "rt", encoding="utf-8") as file:
                self.texts = [line.rstrip("\n") or "(empty)" for line in file]
            self.text_origin = f"the texts of {pathlib.Path(texts).name}"
        else:
            self.texts = None
            self.text_origin = "generated texts, words by Zipf's law"
        self.turns, self.questions = conversation_turns(conversations) if conversations else ([], [])
        self.conversation_origin = f"turns of {pathlib.Path(conversations).name}" if conversations else self.text_origin
        self.vocabulary = [self.word() for _ in range(20_000)]
        self.weights = list(itertools.accumulate(1 / rank for rank in range(1, len(self.vocabulary) + 1)))

    def generated_vectors(self, count):
        """Two hundred subjects, and each vector near one of them."""
        subjects = self.numbers.normal(size=(200, DIMENSION))
        return unit((subjects[self.numbers.integers(200, size=count)] + self.numbers.normal(scale=1.2, size=(count, DIMENSION))).astype(numpy.float32))

    def word(self):
        syllables = self.random.randint(1, 4)
        return "".join(self.random.choice("bcdfghjklmnprstvw") + self.random.choice("aeiou") for _ in range(syllables)) + self.random.choice("nrtslmd")

    def sentence(self, shortest, longest):
        return " ".join(self.random.choices(self.vocabulary, cum_weights=self.weights, k=self.random.randint(shortest, longest)))

    def vector_rows(self, count):
        return self.vectors[numpy.arange(count) % len(self.vectors)]

    def query_vectors(self, rows):
        """Near the rows, and equal to none."""
        return unit(rows + self.numbers.normal(scale=0.02, size=rows.shape).astype(numpy.float32))

    def picks(self, memories, asked, query_count):
        """Memories that are asked for, as many of each user that is asked about."""
        numbers, places = [], {}
        for user in asked:
            own = [number for number, memory in enumerate(memories) if memory["user"] == user]
            places[user] = range(len(numbers), len(numbers) + query_count)
            numbers += self.numbers.choice(own, size=query_count).tolist()
        return numbers, places

    def conversations(self, name, users, asked, query_count):
        """Turns in sessions of twenty with two speakers; `users` are names with their numbers of memories, `asked` those that are asked about.

        Real turns are fewer than memories: a further one is a sentence of one turn followed by one of another.
        """
        memories = []
        for user, count in users:
            for number in range(count):
                session, place = divmod(number, 20)
                if self.turns and number < len(self.turns):
                    text, speaker = self.turns[number]
                elif self.turns:
                    (first, speaker), (second, _) = self.random.choice(self.turns), self.random.choice(self.turns)
                    text = f"{self.random.choice(sentences(first))} {self.random.choice(sentences(second))}"
                else:
                    text, speaker = self.sentence(5, 32) + self.random.choice([".", ".", ".", "?"]), ["Ada", "Bob"][place % 2]
                memories.append(memory(user, text, len(memories), session=f"session-{session}", speaker=speaker))
        vectors = self.vector_rows(len(memories))
        picks, places = self.picks(memories, asked, query_count)
        if self.questions:
            queries = [self.random.choice(self.questions) for _ in picks]
        else:
            queries = [self.sentence(6, 12) + "?" for _ in picks]
        return Dataset(
            name, f"{self.conversation_origin}, in sessions with speakers; {self.vector_origin}", memories, vectors, queries,
            self.query_vectors(vectors[picks]), places)

    def plain(self, name, users, asked, query_count):
        """Texts that belong to no conversation; a query has most of the words of one of them, and a vector near its own."""
        memories = []
        for user, count in users:
            for _ in range(count):
                number = len(memories)
                text = self.texts[number % len(self.texts)] if self.texts else self.sentence(4, 12)
                memories.append(memory(user, text, number))
        vectors = self.vector_rows(len(memories))
        picks, places = self.picks(memories, asked, query_count)
        queries = []
        for pick in picks:
            words = memories[pick]["text"].split()
            queries.append(" ".join(word for word in words if len(words) < 3 or self.random.random() < 0.8) or words[0])
        return Dataset(name, f"{self.text_origin}; {self.vector_origin}", memories, vectors, queries, self.query_vectors(vectors[picks]), places)


def memory(user, text, number, **more):
    return {"user": user, "text": text, "created": EPOCH + number * 60_000, **more}


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def sentences(text):
    return [part.strip() for part in re.findall(r"[^.!?\n]+[.!?]*", text) if part.strip()] or [text]


def conversation_turns(path):
    """The turns of a LoCoMo file with their speakers, and its questions."""
    with open(path, encoding="utf-8") as file:
        conversations = json.load(file)
    turns, questions = [], []
    for entry in conversations:
        conversation = entry["conversation"]
        for session in sorted((name for name in conversation if re.fullmatch(r"session_\d+", name)), key=lambda name: int(name[8:])):
            turns += [(turn["text"], turn["speaker"]) for turn in conversation[session] if turn["text"].strip()]
        questions += [question["question"] for question in entry["qa"]]
    return turns, questions
