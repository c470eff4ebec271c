"""Rows, owners and queries for the comparison of searches by vector, and the true results by brute force."""

import ctypes
import dataclasses
import os
import pathlib

import numpy

from .datasets import DIMENSION, unit

# Every so many rows of the data one is left out of the stores, and asked for.
HELD_OUT = 600
# Numbers of users. All others have a hundred rows each.
SMALL, LARGE, FILTERED = 0, 1, 2


@dataclasses.dataclass
class Rows:
    name: str
    origin: str
    # Of unit length.
    vectors: numpy.ndarray
    # The number of the user of each row.
    owners: numpy.ndarray
    # Whether a filter passes the row.
    marked: numpy.ndarray

    def of(self, user, marked=False):
        return numpy.flatnonzero((self.owners == user) & (self.marked if marked else True))

    def write(self, folder):
        """Writes the files that VectorPeer.swift reads."""
        folder = pathlib.Path(folder)
        self.vectors.astype("<f4").tofile(folder / f"{self.name}.f32")
        numpy.stack([self.owners, self.marked], axis=1).astype("<i4").tofile(folder / f"{self.name}.owners")


class Source:
    """Real rows of a file, or generated ones; the queries are some of them, which no store holds."""

    def __init__(self, path, count):
        self.numbers = numpy.random.default_rng(987)
        if path:
            rows = unit(numpy.load(path).astype(numpy.float32))
            self.name, self.origin = "real", f"rows of {pathlib.Path(path).name}"
        else:
            subjects = self.numbers.normal(size=(200, DIMENSION))
            rows = unit((subjects[self.numbers.integers(200, size=count)] + self.numbers.normal(scale=1.2, size=(count, DIMENSION))).astype(numpy.float32))
            self.name, self.origin = "generated", "generated rows around 200 subjects"
        rows = rows[:count]
        asked = numpy.arange(len(rows)) % max(min(HELD_OUT, len(rows) // 100), 1) == 0
        self.queries, self.rows = rows[asked].copy(), rows[~asked].copy()
        self.random_queries = unit(self.numbers.standard_normal((100, DIMENSION)).astype(numpy.float32))

    def base(self):
        return self.owned(self.name, self.origin, self.rows, [100])

    def mixture(self, name, count, large):
        """Each row is near one of the source, with some of another and noise; `large` are the numbers of rows of the first users."""
        rows, numbers = self.rows, self.numbers
        vectors = numpy.empty((count, DIMENSION), numpy.float32)
        for start in range(0, count, 50_000):
            size = min(50_000, count - start)
            share = numbers.uniform(0.6, 1, (size, 1)).astype(numpy.float32)
            mixed = share * rows[numbers.integers(0, len(rows), size)] + (1 - share) * rows[numbers.integers(0, len(rows), size)]
            vectors[start : start + size] = unit(mixed + numbers.standard_normal((size, DIMENSION)).astype(numpy.float32) * 0.012)
        return self.owned(name, f"mixtures of two {self.origin} with noise", vectors, large)

    def owned(self, name, origin, vectors, large):
        """Scatters the rows of every user over the whole set. One in a hundred rows is marked."""
        count = len(vectors)
        owners = numpy.empty(count, numpy.int32)
        order = self.numbers.permutation(count)
        start = 0
        for user, size in enumerate(large):
            owners[order[start : start + size]] = user
            start += size
        owners[order[start:]] = FILTERED + 1 + numpy.arange(count - start) // 100
        return Rows(name, origin, vectors, owners, self.numbers.random(count) < 0.01)


class BruteForce:
    """The true results: each candidate's score is the `cblas_sdot` of the library that Engram uses; equal scores in the order of the rows.

    Candidates are chosen by NumPy's product. In float32 neither sum of 384 products of unit vectors is wrong by as much as half the margin.
    """

    MARGIN = 1e-4

    def __init__(self, paths, environment):
        """`environment` is that of Engram's process: the library chooses its instructions by it when it is loaded."""
        self.dot = None
        os.environ.update(environment)
        for path in paths:
            try:
                self.dot = ctypes.CDLL(path).cblas_sdot
            except (OSError, AttributeError):
                continue
            break
        for name in environment:
            del os.environ[name]
        if self.dot is None:
            raise SystemExit(f"none of {paths} has cblas_sdot: nothing can be compared with brute force")
        self.dot.restype = ctypes.c_float
        self.dot.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int]

    def best(self, vectors, query, limit, numbers=None):
        """Rows and scores, best first; of `numbers` only, if given in ascending order."""
        products = (vectors if numbers is None else vectors[numbers]) @ query
        least = numpy.partition(products, -limit)[-limit] if len(products) > limit else -2
        candidates = numpy.flatnonzero(products >= least - self.MARGIN)
        if numbers is not None:
            candidates = numbers[candidates]
        query = numpy.ascontiguousarray(query)
        scored = [(-self.dot(DIMENSION, query.ctypes.data, 1, numpy.ascontiguousarray(vectors[row]).ctypes.data, 1), int(row)) for row in candidates]
        return [(row, numpy.float32(-score)) for score, row in sorted(scored)[:limit]]
