"""The sides of the comparison of searches by vector: Engram in its process, and libraries and databases called from Python."""

import time

import numpy

from . import rounds
from .datasets import DIMENSION

LIMIT = 10


class Engram:
    def __init__(self, worker, store, name="Engram", user=None, kind=None, recall=None):
        self.worker, self.store, self.name = worker, store, name
        self.scope = {} if user is None else {"user": user}
        if kind is not None:
            self.scope["kind"] = kind
        if recall is not None:
            self.scope["recall"] = recall
        self.note = ""

    def search(self, numbers):
        answer = self.worker.call("search", self.store, queries=list(numbers), limit=LIMIT, **self.scope)
        return answer["seconds"], answer["processorSeconds"], [list(map(int, texts)) for texts in answer["texts"]]

    def scored(self, numbers):
        """The rows that each query finds, with their scores."""
        answer = self.worker.call("search", self.store, queries=list(numbers), limit=LIMIT, **self.scope)
        return [
            [(int(text), numpy.float32(score)) for text, score in zip(texts, scores)] for texts, scores in zip(answer["texts"], answer["scores"])]

    def batch(self, numbers):
        answer = self.worker.call("searchBatch", self.store, queries=list(numbers), limit=LIMIT, **self.scope)
        count = len(numbers)
        return [answer["seconds"][0] / count], answer["processorSeconds"] / count, [list(map(int, texts)) for texts in answer["texts"]]


class Called:
    """A peer that a function searches: `one(vector)` returns rows, best first. `prepare` is called before each round, not timed."""

    def __init__(self, name, queries, one, note="", prepare=None, many=None):
        self.name, self.queries, self.one, self.note, self.prepare, self.many = name, queries, one, note, prepare, many

    def search(self, numbers):
        if self.prepare:
            self.prepare()
        seconds, processor, found = rounds.timed([lambda number=number: self.one(self.queries[number]) for number in numbers])
        return seconds, processor, [list(map(int, rows)) for rows in found]

    def batch(self, numbers):
        if self.prepare:
            self.prepare()
        asked = numpy.ascontiguousarray(self.queries[list(numbers)])
        seconds, processor, found = rounds.timed([lambda: self.many(asked)])
        return [seconds[0] / len(asked)], processor / len(asked), [list(map(int, rows)) for rows in found[0]]


class Faiss:
    """A flat index: all rows as floats in memory."""

    def __init__(self, rows, queries):
        import faiss

        self.faiss, self.rows, self.queries = faiss, rows, queries
        self.flat = faiss.IndexFlatIP(DIMENSION)
        self.flat.add(rows.vectors)

    def threads(self, count):
        return lambda: self.faiss.omp_set_num_threads(count)

    def exact(self, count):
        name = f"FAISS IndexFlatIP, {count} thread{'s' if count > 1 else ''}"
        return Called(
            name, self.queries, lambda query: self.flat.search(query[None], LIMIT)[1][0], "in memory; returns numbers of rows", self.threads(count),
            lambda asked: self.flat.search(asked, LIMIT)[1])

    def selected(self, numbers, threads):
        """Among the rows with these numbers, which are known before."""
        selector = self.faiss.IDSelectorArray(numbers.astype("int64"))
        parameters = self.faiss.SearchParameters(sel=selector)

        def one(query, selector=selector):
            return self.flat.search(query[None], LIMIT, params=parameters)[1][0]

        return Called(
            f"FAISS IDSelectorArray, {threads} thread{'s' if threads > 1 else ''}", self.queries, one,
            "in memory; returns numbers of rows; the caller knows which rows are the user's", self.threads(threads))

    def rabitq(self, threads, factors):
        """Fast-scan codes of one bit, and the exact order of the best `factor` × 10 by them."""
        faiss = self.faiss
        start = time.perf_counter()
        codes = faiss.IndexRaBitQFastScan(DIMENSION, faiss.METRIC_INNER_PRODUCT)
        codes.train(self.rows.vectors)
        codes.add(self.rows.vectors)
        built = time.perf_counter() - start
        index = faiss.IndexRefine(codes, self.flat)
        sides = []
        for factor in factors:
            parameters = faiss.IndexRefineSearchParameters(k_factor=factor)

            def one(query, index=index, parameters=parameters, keep=(codes, self.flat)):
                return index.search(query[None], LIMIT, params=parameters)[1][0]

            sides.append(Called(
                f"FAISS RaBitQ fast-scan + rerank of {factor * LIMIT}", self.queries, one,
                f"not exact; in memory; codes of {len(self.rows.vectors):,} rows took {built:.1f} s", self.threads(threads)))
        return sides


def numpy_sides(rows, queries):
    vectors = rows.vectors

    def best(products):
        near = numpy.argpartition(products, -LIMIT)[-LIMIT:]
        return near[numpy.argsort(-products[near])]

    return [Called(
        "NumPy x @ q", queries, lambda query: best(vectors @ query), "in memory; returns numbers of rows",
        many=lambda asked: [best(products) for products in asked @ vectors.T])]


def usearch_sides(rows, queries, threads):
    from usearch.index import MetricKind, search

    return [Called(
        f"USearch exact, {threads} thread{'s' if threads > 1 else ''}", queries,
        lambda query: search(rows.vectors, query, LIMIT, MetricKind.IP, exact=True, threads=threads).keys, "in memory; returns numbers of rows")]


def hnswlib_sides(rows, queries, threads, searches):
    import hnswlib

    start = time.perf_counter()
    index = hnswlib.Index(space="ip", dim=DIMENSION)
    index.init_index(len(rows.vectors), M=16, ef_construction=200)
    index.set_num_threads(threads)
    index.add_items(rows.vectors)
    built = time.perf_counter() - start
    return [
        Called(
            f"hnswlib M16, ef {ef}", queries, lambda query: index.knn_query(query[None], LIMIT, num_threads=1)[0][0],
            f"not exact; in memory; the graph of {len(rows.vectors):,} rows took {built:.1f} s", prepare=lambda ef=ef: index.set_ef(ef))
        for ef in searches
    ]


class SQLiteVec:
    """A database in WAL mode with one table of vectors; with `partitioned` one part for each user."""

    def __init__(self, path, rows, queries, partitioned=False):
        import apsw
        import sqlite_vec

        self.queries = queries
        self.connection = apsw.Connection(str(path))
        self.connection.enable_load_extension(True)
        self.connection.load_extension(sqlite_vec.loadable_path())
        for pragma in ["journal_mode=WAL", "synchronous=FULL", "cache_size=-1000000", "mmap_size=4000000000"]:
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        # The distance of unit vectors has the same order as their product, and sqlite-vec computes it fastest.
        user, size = ("user INTEGER PARTITION KEY, ", ", chunk_size=128") if partitioned else ("", "")
        self.connection.execute(f"CREATE VIRTUAL TABLE vectors USING vec0(id INTEGER PRIMARY KEY, {user}embedding FLOAT[{DIMENSION}]{size})")
        self.connection.execute("BEGIN")
        for number in numpy.argsort(rows.owners, kind="stable").tolist() if partitioned else range(len(rows.vectors)):
            values = (number, int(rows.owners[number]), rows.vectors[number].tobytes()) if partitioned else (number, rows.vectors[number].tobytes())
            self.connection.execute(f"INSERT INTO vectors VALUES({', '.join('?' * len(values))})", values)
        self.connection.execute("COMMIT")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def side(self, user=None):
        where, name = ("", "sqlite-vec") if user is None else (f" AND user = {user}", "sqlite-vec, a partition for each user")
        statement = f"SELECT id FROM vectors WHERE embedding MATCH ? AND k = {LIMIT}{where}"
        return Called(
            name, self.queries, lambda query: [row for row, in self.connection.execute(statement, (query.tobytes(),))],
            "one thread; returns numbers of rows")


class LanceDB:
    """A table without an index of vectors, which a search scans."""

    def __init__(self, folder, rows, queries):
        import lancedb
        import pyarrow

        self.queries = queries
        self.table = lancedb.connect(str(folder)).create_table("rows", pyarrow.table({
            "id": pyarrow.array(numpy.arange(len(rows.vectors))), "user": pyarrow.array(rows.owners), "marked": pyarrow.array(rows.marked),
            "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.vectors.ravel()), DIMENSION),
        }))

    def index_users(self):
        """From now on a filter finds a user's rows by an index."""
        self.table.create_scalar_index("user")

    def side(self, where=None, name="LanceDB flat"):
        def one(query):
            search = self.table.search(query).distance_type("dot").select(["id", "_distance"]).limit(LIMIT)
            if where:
                search = search.where(where, prefilter=True)
            return search.to_arrow()["id"].to_pylist()

        return Called(name, self.queries, one, "returns numbers of rows")


class Chroma:
    """A persistent collection with its HNSW graph as it is by default; users are metadata."""

    BATCH = 5000

    def __init__(self, folder, rows, queries):
        import chromadb
        from chromadb.config import Settings

        self.queries = queries
        client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        self.collection = client.create_collection("rows", configuration={"hnsw": {"space": "ip"}}, embedding_function=None)
        start = time.perf_counter()
        for first in range(0, len(rows.vectors), self.BATCH):
            numbers = range(first, min(first + self.BATCH, len(rows.vectors)))
            self.collection.add(
                ids=list(map(str, numbers)), embeddings=rows.vectors[numbers.start : numbers.stop],
                metadatas=[{"user": int(rows.owners[number])} for number in numbers])
        self.built = time.perf_counter() - start

    def side(self, user=None):
        options = {"where": {"user": user}} if user is not None else {}
        return Called(
            "Chroma" if user is None else "Chroma, user filter", self.queries,
            lambda query: self.collection.query(query_embeddings=[query], n_results=LIMIT, include=["distances"], **options)["ids"][0],
            f"not exact; returns ids; adding its rows took {self.built:.0f} s")
