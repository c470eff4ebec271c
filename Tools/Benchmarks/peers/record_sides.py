"""The sides of the comparison of records: Engram, raw LMDB and GRDB in their processes, and py-lmdb and SQLite called from Python."""

import json
import threading
import time

import numpy

from . import rounds
from .datasets import DIMENSION

# Bytes of a context as Engram stores it.
CONTEXT_BYTES = 330
PREFERENCES = {"food": "ramen with egg", "language": "English", "tone": "friendly and short"}
TOPICS = ["travel in Japan", "bouldering", "cooking"]


def memory(number):
    """User, text and vector of a memory: those of RecordPeer.swift but for the vector, which is as random."""
    vector = numpy.random.default_rng(number).random(DIMENSION, numpy.float32)
    return f"user-{number % 200}", f"What was said in exchange {number}, as short as messages are", vector.tobytes()


class Process:
    """A side in a process of its own, which answers with the time of one record."""

    def __init__(self, name, worker, store, note=""):
        self.name, self.worker, self.store, self.note = name, worker, store, note

    def call(self, name, **more):
        return self.worker.call(name, self.store, **more)

    def fill(self, count):
        self.call("fill", count=count)

    def read(self, users):
        answer = self.call("read", users=users)
        return answer["seconds"], answer["processorSeconds"]

    def update(self, tasks, updates):
        answer = self.call("update", tasks=tasks, updates=updates)
        return answer["seconds"], answer["processorSeconds"]

    def add(self, first, count, batch):
        answer = self.call("add", first=first, count=count, batch=batch)
        return answer["seconds"], answer["processorSeconds"]

    def counters(self):
        answer = self.call("count")
        return answer["writes"], answer["batches"]


class Called:
    """A side in this process: `one_read(user)`, `one_update(user)`, `one_batch(memories)`."""

    def read(self, users):
        keys = [f"user-{user}" for user in users]
        start, processor = time.perf_counter(), time.process_time()
        for key in keys:
            self.one_read(key)
        return [(time.perf_counter() - start) / len(users)], (time.process_time() - processor) / len(users)

    def update(self, tasks, updates):
        def work(user):
            for _ in range(updates):
                self.one_update(f"user-{user}")

        threads = [threading.Thread(target=work, args=(user,)) for user in range(tasks)]
        start, processor = time.perf_counter(), time.process_time()
        if tasks == 1:
            work(0)
        else:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        count = tasks * updates
        return [(time.perf_counter() - start) / count], (time.process_time() - processor) / count

    def add(self, first, count, batch):
        batches = [[(number, *memory(number)) for number in range(start, min(start + batch, first + count))] for start in range(first, first + count, batch)]
        seconds, processor, _ = rounds.timed([lambda memories=memories: self.one_batch(memories) for memories in batches])
        return [sum(seconds) / count], processor / count


class PyLMDB(Called):
    name = "py-lmdb"
    note = "bytes of the same size under ascending keys, which nobody decodes or changes; nothing is indexed"

    def __init__(self, folder):
        import lmdb

        self.environment = lmdb.open(str(folder), map_size=16 << 30)

    def fill(self, count):
        with self.environment.begin(write=True) as transaction:
            for user in range(count):
                transaction.put(f"user-{user}".encode(), bytes(CONTEXT_BYTES))

    def one_read(self, key):
        with self.environment.begin() as transaction:
            if len(transaction.get(key.encode())) != CONTEXT_BYTES:
                raise ValueError(f"{key} is missing")

    def one_update(self, key):
        with self.environment.begin(write=True) as transaction:
            transaction.put(key.encode(), bytes(CONTEXT_BYTES))

    def one_batch(self, memories):
        with self.environment.begin(write=True) as transaction:
            for number, user, text, vector in memories:
                transaction.put(b"m" + number.to_bytes(8, "big"), f"{user}\0{text}".encode() + vector)


class SQLite(Called):
    """One connection, which all threads share: more would wait for the same lock."""

    name = "SQLite (apsw)"
    note = "a row with two columns of JSON, decoded; one connection with a lock, WAL, synchronous=FULL; memories have one index, by user"

    def __init__(self, path):
        import apsw

        self.connection = apsw.Connection(str(path))
        self.lock = threading.Lock()
        for pragma in ["journal_mode=WAL", "synchronous=FULL", "cache_size=-1000000", "mmap_size=4000000000"]:
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        for statement in [
            "CREATE TABLE contexts(userID TEXT PRIMARY KEY, conversationsCount INTEGER NOT NULL, friendshipLevel INTEGER NOT NULL, preferences TEXT NOT NULL, "
            "topics TEXT NOT NULL, lastMessage TEXT, lastResponse TEXT, firstSeen INTEGER NOT NULL, lastSeen INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE TABLE memories(number INTEGER PRIMARY KEY, user TEXT NOT NULL, text TEXT NOT NULL, embedding BLOB NOT NULL)",
            "CREATE INDEX memories_by_user ON memories(user)",
        ]:
            self.connection.execute(statement)

    def settings(self):
        return {
            "journal_mode": self.connection.execute("PRAGMA journal_mode").fetchone()[0],
            "synchronous": str(self.connection.execute("PRAGMA synchronous").fetchone()[0]),
        }

    def fill(self, count):
        self.connection.execute("BEGIN")
        self.connection.executemany(
            "INSERT INTO contexts VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((f"user-{user}", user, user % 10, json.dumps(PREFERENCES), json.dumps(TOPICS), "What should I cook tonight?",
              "How about the ramen that you liked last week?", 1_767_225_600_000, 1_767_225_600_000) for user in range(count)))
        self.connection.execute("COMMIT")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def context(self, key):
        row = self.connection.execute("SELECT * FROM contexts WHERE userID = ?", (key,)).fetchone()
        return [*row[:3], json.loads(row[3]), json.loads(row[4]), *row[5:]]

    def one_read(self, key):
        if self.context(key)[0] != key:
            raise ValueError(f"{key} is missing")

    def one_update(self, key):
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            context = self.context(key)
            context[1] += 1
            self.connection.execute(
                "UPDATE contexts SET conversationsCount = ?2, friendshipLevel = ?3, preferences = ?4, topics = ?5, lastMessage = ?6, lastResponse = ?7, "
                "firstSeen = ?8, lastSeen = ?9 WHERE userID = ?1", [*context[:3], json.dumps(context[3]), json.dumps(context[4]), *context[5:]])
            self.connection.execute("COMMIT")

    def one_batch(self, memories):
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany("INSERT INTO memories VALUES(?, ?, ?, ?)", memories)
            self.connection.execute("COMMIT")
