"""Tests of what the comparisons depend on: `python3 -m unittest peers.checks`. They need NumPy and a BLAS, and no peer."""

import contextlib
import io
import types
import unittest

import numpy

from . import availability, flushes, records, report, rounds, vector_data, vectors


def quietly(body):
    with contextlib.redirect_stderr(io.StringIO()):
        return body()


def comparison():
    return report.Comparison("Test", 3, 2, [], {})


class BruteForce(unittest.TestCase):
    def setUp(self):
        self.brute_force = vector_data.BruteForce(["libblas.so.3"], {})

    def rows(self):
        """Rows of few different whole numbers: their products are exact, and many are equal."""
        return numpy.random.default_rng(1).integers(-1, 2, (500, vector_data.DIMENSION)).astype(numpy.float32)

    def test_scores_are_products_and_ties_are_in_the_order_of_the_rows(self):
        rows = self.rows()
        for query in rows[:20]:
            products = (rows.astype(int) @ query.astype(int)).tolist()
            wanted = sorted(range(500), key=lambda row: (-products[row], row))[:10]
            self.assertEqual(self.brute_force.best(rows, query, 10), [(row, products[row]) for row in wanted])

    def test_only_the_rows_of_a_scope_are_found(self):
        rows, scope = self.rows(), numpy.arange(0, 500, 7)
        found = self.brute_force.best(rows, rows[3], 10, scope)
        self.assertTrue({row for row, _ in found} <= set(scope.tolist()))
        self.assertEqual(len(found), 10)

    def test_fewer_rows_than_are_asked_for_are_all_found(self):
        rows = self.rows()
        self.assertEqual([row for row, _ in sorted(self.brute_force.best(rows, rows[3], 10, numpy.array([4, 9])))], [4, 9])

    def test_results_that_differ_in_a_bit_or_in_order_are_refused(self):
        rows = self.rows()
        run = object.__new__(vectors.Vectors)
        run.comparison, run.brute_force, run.identical = comparison(), self.brute_force, 0
        run.source = types.SimpleNamespace(queries=rows[:1])
        data = types.SimpleNamespace(vectors=rows)
        right = self.brute_force.best(rows, rows[0], 10)
        answering = lambda results: types.SimpleNamespace(scored=lambda asked: [results])
        run.verify("right", answering(right), data, None)
        self.assertEqual(run.identical, 1)
        bit = [(right[0][0], numpy.nextafter(right[0][1], numpy.float32(0))), *right[1:]]
        for wrong in [bit, right[::-1], right[:-1]]:
            with self.assertRaises(SystemExit):
                run.verify("wrong", answering(wrong), data, None)


class Data(unittest.TestCase):
    def test_users_have_their_numbers_of_rows_and_queries_are_in_no_store(self):
        source = vector_data.Source(None, 3_000)
        base, mixture = source.base(), source.mixture("mixture", 2_000, [100, 500, 700])
        self.assertEqual([len(base.of(0)), len(base.of(1)), len(base.of(3))], [100, 0, 100])
        self.assertEqual([len(mixture.of(user)) for user in range(4)], [100, 500, 700, 100])
        self.assertEqual(len(base.vectors) + len(source.queries), 3_000)
        self.assertLess((base.vectors @ source.queries.T).max(), 0.9999)
        for vectors_ in [base.vectors, mixture.vectors, source.queries]:
            numpy.testing.assert_allclose((vectors_.astype(float) ** 2).sum(axis=1), 1, atol=5e-7)

    def test_the_same_data_is_made_again(self):
        made = [vector_data.Source(None, 2_000).mixture("mixture", 1_000, [100]) for _ in range(2)]
        self.assertTrue((made[0].vectors == made[1].vectors).all() and (made[0].owners == made[1].owners).all())


class Flushes(unittest.TestCase):
    TRACE = """\
7 openat(AT_FDCWD, "/s/data.mdb", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 4
7 openat(AT_FDCWD, "/s/data.mdb", O_WRONLY|O_DSYNC|O_CLOEXEC <unfinished ...>
8 fdatasync(4 <unfinished ...>
7 <... openat resumed>) = 5
8 <... fdatasync resumed>) = 0
8 pwrite64(4, "page"..., 4096, 0) = 4096
8 pwrite64(5, "meta"..., 136, 16) = 136
7 fsync(3) = 0
7 openat(AT_FDCWD, "/s/other", O_RDONLY) = 5
8 pwrite64(5, "data"..., 136, 16) = 136
"""

    def test_flushes_and_writes_that_flush_are_counted_once(self):
        self.assertEqual(flushes.counted(self.TRACE), 3)

    def test_a_side_that_does_not_flush_is_refused(self):
        arguments = types.SimpleNamespace(program="none")
        for count, refused in [(0.0, True), (0.5, True), (1.0, False)]:
            counting = types.SimpleNamespace(of_commit=lambda work, side, command, count=count: count, PYTHON={})
            run = lambda counting=counting: quietly(
                lambda: records.durability(comparison(), None, arguments, [types.SimpleNamespace(name="Engram")], counting))
            if refused:
                self.assertRaises(SystemExit, run)
            else:
                run()

    def test_a_database_that_may_lose_commits_is_refused(self):
        records.require_full("SQLite", {"journal_mode": "wal", "synchronous": "2"})
        for settings in [{"journal_mode": "wal", "synchronous": "1"}, {"journal_mode": "memory", "synchronous": "2"}]:
            self.assertRaises(ValueError, records.require_full, "SQLite", settings)


class Reports(unittest.TestCase):
    def test_losses_are_printed_with_their_recall(self):
        measured = {"Engram": rounds.Measurement([0.002, 0.002], 1.0), "Fast": rounds.Measurement([0.001, 0.001], 1.0)}
        cell = report.Cell("Search", measured, [["Engram", "Fast"]], recalls={"Engram": 1.0, "Fast": 0.91})
        self.assertEqual(list(cell.losses()), ["Search: Engram loses to Fast at recall 0.910: 2 ms against 1 ms, 2 × as long."])
        found = comparison()
        found.cells.append(cell)
        found.notes = {"Fast": "in memory", "Faster": "in memory"}
        found.machine = {
            "processor": "none", "processors": 2, "flags": [], "l3_bytes": [], "load": 0.0, "kernel": "none", "file_system": "none", "environment": {}}
        table = report.markdown(found)
        self.assertIn("| Fast | 1 ms | 1 ms to 1 ms | 1.0 | 0.910 | **0.50 × as long: Engram loses** |", table)
        self.assertIn("- Fast; Faster: in memory.", table)

    def test_a_peer_that_fails_is_left_out_and_the_rest_goes_on(self):
        found = comparison()
        quietly(lambda: availability.list_peers(found, {"Here": ["json"], "Gone": ["no_such_module_of_engram"]}))
        self.assertEqual(found.peers, ["Here"])
        self.assertEqual(quietly(lambda: availability.made(found, "Here", lambda: [1 / 0])), [])
        self.assertEqual((found.peers, len(found.missing)), ([], 2))
        self.assertIn("Here is not compared: ZeroDivisionError", found.missing[1])


if __name__ == "__main__":
    unittest.main()
