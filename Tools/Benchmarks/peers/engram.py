"""Engram's side: a process of store-benchmarks, which runs a round when it gets a line."""

import fcntl
import json
import os
import pathlib
import re
import subprocess
import time


class Failure(Exception):
    """Engram's process ended, or a store is not as it should be."""


class Worker:
    """A process that takes calls as lines of JSON, and answers each with a line."""

    def __init__(self, command, environment=None):
        self.command = list(map(str, command))
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env={**os.environ, **(environment or {})})
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"{self.command[0]} ended with {self.process.wait()}")
        return json.loads(line)

    def call(self, name, store, **more):
        self.process.stdin.write(json.dumps({"call": name, "store": str(store), **more}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def settle(self, longest=120):
        """Waits until the process has nothing to do in the background, at most `longest` seconds."""
        ends = time.monotonic() + longest
        before = None
        while time.monotonic() < ends:
            # The 14th and 15th field: ticks in user and kernel mode.
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
            if fields == before:
                return
            before = fields
            time.sleep(0.3)

    def blas(self):
        """The library that Engram's scores come from."""
        return ", ".join(sorted({os.path.basename(os.path.realpath(path)) for path in self.blas_paths()})) or "no BLAS"

    def blas_paths(self):
        """The files of that library, as the process has them mapped."""
        maps = pathlib.Path(f"/proc/{self.process.pid}/maps").read_text(encoding="utf-8")
        return sorted(set(re.findall(r"(/\S*(?:openblas|libblas)\S*)", maps)))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Engine:
    """A mode of searching, or the adding, of one store."""

    note = ""

    def __init__(self, worker, name, store, dataset, mode=None):
        self.worker, self.name, self.store, self.dataset, self.mode = worker, name, store, dataset, mode

    def search(self, user, queries, limit):
        answer = self.worker.call("search", self.store, data=self.dataset.name, user=user, mode=self.mode, queries=queries, limit=limit)
        return answer["seconds"], answer["processorSeconds"], answer["texts"]

    def add(self, first, count):
        answer = self.worker.call("add", self.store, data=self.dataset.name, first=first, count=count)
        return answer["seconds"], answer["processorSeconds"]

    def add_batches(self, first, count, batch):
        answer = self.worker.call("addBatches", self.store, data=self.dataset.name, first=first, count=count, batch=batch)
        return answer["seconds"], answer["processorSeconds"]


class WithoutWords:
    """Makes an empty store one that keeps no words, as those of versions that had none, and holds up the rebuild that would add them.

    There is no such option: FileFormat.md says how a store tells which of its tables are complete.
    """

    SESSIONS = 1

    def __init__(self, store):
        self.store = pathlib.Path(store)
        self.hold = open(self.store / "rebuild.lock", "ab")
        fcntl.flock(self.hold, fcntl.LOCK_EX)
        self.edit()

    def environment(self, **options):
        import lmdb

        generation = (self.store / "current").read_text(encoding="ascii").strip()
        return lmdb.open(str(self.store / generation), max_dbs=32, create=False, lock=False, **options)

    def edit(self):
        import cbor2
        import xxhash

        size = (self.store / (self.store / "current").read_text(encoding="ascii").strip() / "data.mdb").stat().st_size
        with self.environment(map_size=max(size, 1 << 24)) as environment:
            meta = environment.open_db(b"meta", create=False)
            with environment.begin(write=True, db=meta) as transaction:
                state = cbor2.loads(transaction.get(b"state")[:-8])
                state["tables"] = self.SESSIONS
                value = cbor2.dumps(state, canonical=True)
                seed = xxhash.xxh3_64_intdigest(b"state", seed=xxhash.xxh3_64_intdigest(b"meta"))
                transaction.put(b"state", value + xxhash.xxh3_64_intdigest(value, seed=seed).to_bytes(8, "big"))

    def check(self):
        """That no words were kept all the same; the store is closed."""
        with self.environment(readonly=True) as environment, environment.begin() as transaction:
            kept = transaction.stat(environment.open_db(b"words", txn=transaction, create=False))["entries"]
            added = transaction.stat(environment.open_db(b"memories", txn=transaction, create=False))["entries"]
        self.hold.close()
        if kept or not added:
            raise Failure(f"the store without words has {kept} records of words and {added} memories: nothing was compared")
