"""Searches by vector: Engram beside FAISS, NumPy, USearch, sqlite-vec, LanceDB, hnswlib and Chroma."""

import gc
import os
import pathlib
import statistics

from . import availability, machine, report

PACKAGES = {
    "FAISS": ["faiss"], "USearch": ["usearch.index"], "sqlite-vec": ["apsw", "sqlite_vec"], "LanceDB": ["lancedb", "pyarrow"], "hnswlib": ["hnswlib"],
    "Chroma": ["chromadb"],
}
# Debian's OpenBLAS, which Engram's process uses, needs them on some processors; those of the Python packages are newer, and slower with them.
OLD_BLAS = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]
BATCH = 64
FAST_RECALL = 0.99


def add_options(parser):
    parser.add_argument("--vectors", type=pathlib.Path, help="a .npy of 384 columns, float16 or float32: its rows are used instead of generated ones")
    parser.add_argument("--full", action="store_true", help="also a store of 1,000,000 rows: about 15 minutes, 10 GB of memory and 8 GB of disk")


def check_options(arguments, fail):
    if arguments.quick and arguments.full:
        fail("--quick and --full exclude each other")
    if arguments.vectors is not None and not arguments.vectors.is_file():
        fail(f"{arguments.vectors} is no file")


def run(arguments, work):
    old_blas = {name: os.environ.pop(name) for name in OLD_BLAS if name in os.environ}
    # Threads of FAISS that are done sleep: else they would spin into the turn of the next side.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from . import engram, vector_data, vector_sides

    quick, threads = arguments.quick, arguments.threads
    sizes = [2_000, 10_000] if quick else [10_000, 100_000, 200_000] + ([1_000_000] if arguments.full else [])
    large = [100, 1_000, 2_000] if quick else [100, 50_000, 100_000]
    machine.say("preparing rows")
    source = vector_data.Source(arguments.vectors, 5_000 if quick else 60_000 if arguments.vectors is None else None)
    source.queries.tofile(work / "queries.f32")
    with open(work / "queries.f32", "ab") as file:
        source.random_queries.tofile(file)
    comparison = report.Comparison(
        "Searches by vector", arguments.rounds, threads,
        [
            f"384 dimensions, k = {vector_sides.LIMIT}; {len(source.queries)} queries are rows of the data that no store holds; all have unit length",
            "Engram: end to end through its public API, each of the ten records decoded, after durable additions; peers return numbers of rows, called from "
            "Python as PyPI has them",
            *([f"Engram's process has {' and '.join(f'{name}={value}' for name, value in old_blas.items())}, the peers have not"] if old_blas else []),
        ], availability.versions(["faiss-cpu", "numpy", "usearch", "sqlite-vec", "apsw", "lancedb", "hnswlib", "chromadb"]))
    availability.list_peers(comparison, PACKAGES)
    comparison.peers.append("NumPy")
    worker = engram.Worker([arguments.program, "peer-vectors", work / "queries.f32"], old_blas)
    try:
        vectors = Vectors(comparison, worker, work, source, arguments, old_blas)
        # From small to large, the real rows at their place.
        made = [source.base] + [
            lambda count=count: source.mixture(f"mixture of {count:,}", count, large if count == sizes[-1] else large[:1]) for count in sizes]
        for count, make in sorted(zip([len(source.rows), *sizes], made), key=lambda pair: pair[0]):
            vectors.compare(make(), is_largest=count == sizes[-1])
            gc.collect()
        vectors.foreign_rows()
    finally:
        worker.end()
    vectors.draw()
    return comparison


class Vectors:
    def __init__(self, comparison, worker, work, source, arguments, old_blas):
        from . import vector_data

        self.comparison, self.worker, self.work, self.source, self.arguments = comparison, worker, work, source, arguments
        self.brute_force = vector_data.BruteForce(worker.blas_paths(), old_blas)
        self.users = vector_data
        # Sides that search a hundred rows of one user, by the number of rows in the store and the name of the engine.
        self.small = {}
        # By the name of the side: points of the plots.
        self.by_rows, self.by_recall, self.by_foreign = {}, {}, {}
        self.identical = 0

    def compare(self, rows, is_largest):
        """Fills every side with the rows and measures all that is asked about this set."""
        from . import vector_sides

        comparison, arguments, count = self.comparison, self.arguments, len(rows.vectors)
        is_real = rows.name == self.source.name
        title = f"{rows.name}, {count:,} rows" if is_real else rows.name
        store = self.fill(rows)
        queries, threads = self.source.queries, arguments.threads
        made = lambda peer, make: availability.made(comparison, peer, make)
        ours = vector_sides.Engram(self.worker, store)
        self.verify(title, ours, rows, None)

        faiss = None

        def faiss_sides():
            nonlocal faiss
            faiss = vector_sides.Faiss(rows, queries)
            return [faiss.exact(number) for number in sorted({threads, 1}, reverse=True)]

        flat = made("FAISS", faiss_sides)
        arrays = vector_sides.numpy_sides(rows, queries)
        lance = None

        def lance_sides():
            nonlocal lance
            lance = vector_sides.LanceDB(self.work / f"{rows.name}.lance", rows, queries)
            return [lance.side()]

        exact = [
            *flat, *arrays, *made("USearch", lambda: vector_sides.usearch_sides(rows, queries, threads)),
            *made("sqlite-vec", lambda: [vector_sides.SQLiteVec(self.work / f"{rows.name}.sqlite", rows, queries).side()]), *made("LanceDB", lance_sides)]
        cell = self.measure(f"{title}: all of them, exact", [ours, *exact], rows, None, exact=True)
        for name, found in cell.measured.items():
            self.by_rows.setdefault(name, []).append((count, found.median * 1e3))
        self.flat_target(cell, count)

        if is_real or is_largest:
            cell = self.measure(f"{title}: a batch of {BATCH}, for each query", [ours, *flat[:1], *arrays], rows, None, batch=True, exact=True)
            if count == 1_000_000 and flat:
                self.ratio_target(cell, flat[0].name, 8)
            near = made("FAISS", lambda: faiss.rabitq(threads, [2, 5, 10, 20])) if faiss else []
            chroma = None
            if is_real:
                near += made("hnswlib", lambda: vector_sides.hnswlib_sides(rows, queries, threads, [20, 50, 100, 200]))

                def chroma_sides():
                    nonlocal chroma
                    chroma = vector_sides.Chroma(self.work / "chroma", rows, queries)
                    return [chroma.side()]

                near += made("Chroma", chroma_sides)
            fast = vector_sides.Engram(self.worker, store, f"Engram, fast, recall {FAST_RECALL} asked", recall=FAST_RECALL)
            cell = self.measure(f"{title}: all of them, exact or not", [ours, fast, *flat[:1], *near], rows, None)
            self.fast_target(cell, fast.name, count)
            if is_real:
                self.by_recall = {name: (cell.recalls[name], found.median * 1e3) for name, found in cell.measured.items()}

        mine = rows.of(self.users.SMALL)
        scoped = vector_sides.Engram(self.worker, store, user=self.users.SMALL)
        self.verify(f"{title}: one user's {len(mine)} rows", scoped, rows, mine)
        selected = made("FAISS", lambda: [faiss.selected(mine, 1)]) if faiss else []
        self.small[count] = [scoped, *selected]
        if lance:
            self.small[count] += made("LanceDB", lambda: [lance.side(f"user = {self.users.SMALL}", "LanceDB, user filter")])
        if is_real:
            filtered = made("Chroma", lambda: [chroma.side(self.users.SMALL)]) if chroma else []
            filtered += made("sqlite-vec", lambda: [vector_sides.SQLiteVec(self.work / "users.sqlite", rows, queries, True).side(self.users.SMALL)])
            if lance:
                where = f"user = {self.users.SMALL}"

                def indexed():
                    table = vector_sides.LanceDB(self.work / "indexed.lance", rows, queries)
                    table.index_users()
                    return [lance.side(where, "LanceDB, user filter"), table.side(where, "LanceDB, user filter with an index of users")]

                filtered += made("LanceDB", indexed)
            cell = self.measure(f"{title}: one user's {len(mine)}", [scoped, *selected, *filtered], rows, mine)
            self.filter_targets(cell)
            for name, found in cell.measured.items():
                if name.startswith(("Chroma", "sqlite-vec")):
                    self.by_foreign[name] = [(count, found.median * 1e6)]
        if is_largest:
            self.large_scopes(title, store, rows, faiss, lance)
            self.random_directions(title, store, rows, flat)

    def large_scopes(self, title, store, rows, faiss, lance):
        from . import vector_sides

        threads, full = self.arguments.threads, not self.arguments.quick
        mine = rows.of(self.users.LARGE)
        ours = vector_sides.Engram(self.worker, store, user=self.users.LARGE)
        self.verify(f"{title}: one user's {len(mine):,} rows", ours, rows, mine)
        selected = []
        if faiss:
            selected = availability.made(
                self.comparison, "FAISS", lambda: [faiss.selected(mine, number) for number in sorted({threads, 1}, reverse=True)])
        cell = self.measure(f"{title}: one user's {len(mine):,}", [ours, *selected], rows, mine, exact=True)
        if full and selected:
            self.ratio_target(cell, selected[0].name, 20)

        marked = rows.of(self.users.FILTERED, marked=True)
        ours = vector_sides.Engram(self.worker, store, user=self.users.FILTERED, kind="marked")
        name = f"{title}: a filter that passes {len(marked):,} of one user's {len(rows.of(self.users.FILTERED)):,}"
        self.verify(name, ours, rows, marked)
        sides = availability.made(self.comparison, "FAISS", lambda: [faiss.selected(marked, 1)]) if faiss else []
        if lance:
            sides += availability.made(
                self.comparison, "LanceDB", lambda: [lance.side(f"user = {self.users.FILTERED} AND marked", "LanceDB, user and filter")])
        cell = self.measure(name, [ours, *sides], rows, marked, exact=True)
        if full:
            median = cell.measured[ours.name].median
            self.target(f"{cell.title}", report.duration(median), "10 ms", median <= 0.010)

    def random_directions(self, title, store, rows, flat):
        """Queries that are near no row, with which nothing can be left out early."""
        from . import vector_sides

        first = len(self.source.queries)
        queries = self.source.random_queries
        ours = vector_sides.Engram(self.worker, store)
        ours.search = lambda numbers, search=ours.search: search([first + number for number in numbers])
        sides = [vector_sides.Called(side.name, queries, side.one, side.note, side.prepare) for side in flat[:1]]
        cell = self.measure(f"{title}: all of them, queries of random directions", [ours, *sides], rows, None, queries=queries, exact=True)
        if sides and len(rows.vectors) == 1_000_000:
            self.ratio_target(cell, sides[0].name, 8)

    def foreign_rows(self):
        """One user's rows in stores of all sizes, in turns: a store that is larger must not be slower."""
        from . import rounds

        count = len(self.source.queries)
        measured = rounds.interleaved(
            self.arguments.rounds,
            {
                f"{side.name}, {rows:,} rows": lambda number, side=side: side.search(
                    [(number * 40 + place) % count for place in range(2 if side.name.startswith("LanceDB") else 40)])[:2]
                for rows, sides in self.small.items() for side in sides
            })
        groups = [[f"{side.name}, {rows:,} rows" for side in sides] for rows, sides in self.small.items()]
        self.comparison.cells.append(report.Cell("One user's 100 rows among the rows of others", measured, groups))
        for rows, sides in self.small.items():
            for side in sides:
                self.by_foreign.setdefault(side.name, []).append((rows, measured[f"{side.name}, {rows:,} rows"].median * 1e6))
        if not self.arguments.quick:
            ours = [measured[group[0]] for group in groups]
            ratio = ours[0].ratio(ours[-1])
            self.target(
                f"one user's 100 rows: among {list(self.small)[-1]:,} rows against {list(self.small)[0]:,}", f"{ratio:.2f} × as long", "1.2 ×", ratio <= 1.2)

    def fill(self, rows):
        rows.write(self.work)
        count, store = len(rows.vectors), self.work / f"{rows.name}.memory"
        machine.say(f"{rows.name}: filling Engram with {count:,} memories")
        self.worker.call("open", store)
        answer = self.worker.call("fill", store, rows=str(self.work / f"{rows.name}.f32"), owners=str(self.work / f"{rows.name}.owners"), count=count)
        self.worker.settle()
        rate = count / sum(answer["seconds"])
        self.comparison.settings.append(f"{rows.name}: {rows.origin}; Engram added its {count:,} memories, durable in batches of 1,000, at {rate:,.0f}/s")
        self.comparison.versions["Engram's BLAS"] = self.worker.blas()
        (self.work / f"{rows.name}.f32").unlink()
        return store

    def verify(self, title, ours, rows, numbers):
        """That Engram's rows, scores and order are those of brute force, bit for bit."""
        asked = range(min(len(self.source.queries), 20 if len(rows.vectors) > 500_000 else 100))
        found = ours.scored(asked)
        for number in asked:
            wanted = self.brute_force.best(rows.vectors, self.source.queries[number], 10, numbers)
            if found[number] != wanted:
                raise SystemExit(f"{title}: Engram's results of query {number} are not those of brute force:\n{found[number]}\n{wanted}")
        self.identical += len(asked)
        line = "results of Engram are those of brute force bit for bit (rows, scores by cblas_sdot, order)"
        self.comparison.settings = [setting for setting in self.comparison.settings if line not in setting]
        self.comparison.settings.append(f"{self.identical} {line}: checked in this run")

    def measure(self, title, sides, rows, numbers, batch=False, exact=False, queries=None):
        """Measures the sides in turns: the first is Engram's. A peer that finds other rows than brute force is left out if it is meant to be exact."""
        from . import rounds

        queries = self.source.queries if queries is None else queries
        sample = range(min(len(queries), BATCH if batch else 100 if not exact else 20))
        truth = [[row for row, _ in self.brute_force.best(rows.vectors, queries[number], 10, numbers)] for number in sample]
        calls, recalls, used = {}, {}, []
        for side in sides:
            call = side.batch if batch else side.search
            try:
                call(range(1))
                seconds, _, found = call(sample)
            except Exception as error:
                if side is sides[0]:
                    raise
                self.leave_out(side, f"{type(error).__name__}: {error}")
                continue
            recalls[side.name] = statistics.mean(len(set(mine) & set(true)) / len(true) for mine, true in zip(found, truth))
            # Of equal or nearly equal scores a peer may return another.
            if recalls[side.name] < (0.99 if exact else 0.5):
                if side is sides[0]:
                    raise SystemExit(f"{title}: Engram's recall is {recalls[side.name]:.3f}")
                self.leave_out(side, f"its recall is {recalls[side.name]:.3f} ({title})")
                continue
            median = statistics.median(seconds)
            per_round = 1 if median > 0.2 else 3 if median > 0.01 else 20
            if batch:
                calls[side.name] = lambda number, call=call: call(sample)[:2]
            else:
                calls[side.name] = lambda number, call=call, per_round=per_round: call(
                    [(number * 20 + place) % len(queries) for place in range(per_round)])[:2]
            used.append(side)
        machine.say(f"{title}: {self.arguments.rounds} rounds of {len(used)} sides")
        measured = rounds.interleaved(self.arguments.rounds, calls)
        self.comparison.notes |= {side.name: side.note for side in used if side.note}
        size = len(rows.vectors) if numbers is None else len(numbers)
        cell = report.Cell(title, measured, [[side.name for side in used]], machine.residency(size * rows.vectors.shape[1] * 4), recalls)
        self.comparison.cells.append(cell)
        return cell

    def leave_out(self, side, reason):
        peer = next((peer for peer in PACKAGES if side.name.startswith(peer)), side.name)
        availability.leave_out(self.comparison, peer, reason)

    def target(self, name, measured, wanted, reached):
        self.comparison.targets.append(report.Target(name, measured, wanted, reached))

    def ratio_target(self, cell, peer, wanted):
        ratio = cell.ratios().get(peer)
        if ratio is not None:
            self.target(f"{cell.title}: against {peer}", f"{ratio:.2f} ×", f"{wanted:,} ×", ratio >= wanted)

    def flat_target(self, cell, count):
        if self.arguments.quick or count != 1_000_000 and not cell.title.startswith(self.source.name):
            return
        flat = [peer for peer in cell.measured if peer.startswith("FAISS IndexFlatIP")]
        if not flat:
            return
        # With as many threads as serve it best.
        peer = min(flat, key=lambda peer: cell.measured[peer].median)
        cached = count < 1_000_000 and count * 1536 / cell.measured[peer].median > 20e9
        self.ratio_target(cell, peer, 12 if cached else 25)
        if cached:
            median = cell.measured["Engram"].median
            self.target(cell.title, report.duration(median), "250 µs", median <= 250e-6)

    def fast_target(self, cell, fast, count):
        """Against the fastest RaBitQ that finds as much."""
        near = [peer for peer in cell.measured if "RaBitQ" in peer and cell.recalls[peer] >= FAST_RECALL]
        if count != 1_000_000 or not near:
            return
        peer = min(near, key=lambda peer: cell.measured[peer].median)
        ratio = cell.measured[fast].ratio(cell.measured[peer])
        self.target(
            f"{cell.title}: {fast} (recall@10 {cell.recalls[fast]:.3f}) against {peer}", f"{ratio:.2f} ×", "2.5 ×",
            ratio >= 2.5 and cell.recalls[fast] >= FAST_RECALL)

    def filter_targets(self, cell):
        if self.arguments.quick:
            return
        for peer in cell.measured:
            for start, wanted in [("FAISS", 1), ("Chroma", 1000), ("LanceDB", 1000)]:
                if peer.startswith(start):
                    self.ratio_target(cell, peer, wanted)

    def draw(self):
        """Plots of latency by rows and by recall."""
        lacking = availability.lacks(["matplotlib"])
        if lacking:
            self.comparison.missing.append(f"no plots: {lacking}")
            return
        from . import plots

        where = f"{self.arguments.threads} processors, 384 dimensions, k = 10"
        sizes = list(self.small)
        self.comparison.drawn = {
            "rows": plots.lines("Exact search of all rows", f"rows in the store ({where})", "a search, ms (median)", self.by_rows, sizes),
            "foreign": plots.lines(
                "Search of one user's 100 rows", f"rows of all users in the store ({where})", "a search, µs (median)", self.by_foreign, sizes),
            "recall": plots.lines(
                f"Recall and latency, {len(self.source.rows):,} rows", f"recall@10 ({where})", "a search, ms (median)", curves(self.by_recall)),
        }


def curves(points):
    """Sides that differ only in how much they look at are one line."""
    found = {}
    for name, point in points.items():
        line = name.rsplit(", ef ", 1)[0].rsplit(" of ", 1)[0]
        found.setdefault(line, []).append(point)
    return found
