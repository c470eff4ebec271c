"""Searches by text, and adding what they find: Engram beside SQLite FTS5 + sqlite-vec, bm25s + FAISS, and tantivy."""

import gc
import pathlib

from . import availability, machine, report

LIMIT = 10
# Names of the users, which are one word for every tokenizer.
SMALL, LARGE = "usersmall", "userlarge"
PACKAGES = {"SQLite FTS5 + sqlite-vec": ["apsw", "sqlite_vec"], "bm25s + FAISS IndexFlatIP": ["bm25s", "Stemmer", "faiss"], "tantivy": ["tantivy"]}


def add_options(parser):
    parser.add_argument("--conversations", type=pathlib.Path, help="a LoCoMo JSON file: its turns and questions are used instead of generated ones")
    parser.add_argument("--vectors", type=pathlib.Path, help="a .npy of 384 columns, float16 or float32")
    parser.add_argument("--texts", type=pathlib.Path, help="a gzipped text of as many lines, the texts of --vectors")


def check_options(arguments, fail):
    if (arguments.vectors is None) != (arguments.texts is None):
        fail("--vectors and --texts go together")
    for path in [arguments.conversations, arguments.vectors, arguments.texts]:
        if path is not None and not path.is_file():
            fail(f"{path} is no file")


def run(arguments, work):
    from . import datasets, engram

    quick = arguments.quick
    small, large, others = (200, 2_000, 10) if quick else (1_000, 50_000, 90)
    users = [(LARGE, large), (SMALL, small), *((f"user{number}", 100) for number in range(others))]
    prefilled, singles, batches, batch = (1_000, 5, 1, 200) if quick else (20_000, 40, 2, 1_000)
    added = prefilled + (arguments.rounds + 1) * (singles + batches * batch)

    machine.say("preparing memories and queries")
    sources = datasets.Sources(arguments.conversations, arguments.vectors, arguments.texts, max(sum(count for _, count in users), 10_000 if quick else 60_000))
    searched = [sources.conversations("conversations", users, [SMALL, LARGE], 700), sources.plain("plain", users, [SMALL, LARGE], 700)]
    adding = sources.conversations("adding", [("", added)], [""], 1)
    for number, memory in enumerate(adding.memories):
        # All of them talk at once; a session of each has twenty turns.
        memory["user"], memory["session"] = f"user{number % 200}", f"session-{number // 200 // 20}"
    for dataset in [*searched, adding]:
        dataset.write(work / dataset.name)

    comparison = report.Comparison(
        "Searches by text", arguments.rounds, arguments.threads,
        [
            f"{large:,}, {small:,} and {others} × 100 memories of as many users in one store, 384 dimensions; k = {LIMIT}; the vector of a question is given; "
            "each side returns the texts",
            *(f"{dataset.name}: {dataset.origin}" for dataset in searched),
            f"adding: to {prefilled:,} memories of 200 users; durable: Engram's commits are flushed, SQLite has WAL and synchronous=FULL",
            "peers are called from Python, as PyPI has them; the words that Engram leaves out of a question are left out for them, too",
        ], availability.versions(["apsw", "sqlite-vec", "bm25s", "faiss-cpu", "tantivy", "numpy"]))
    availability.list_peers(comparison, PACKAGES)
    worker = engram.Worker([arguments.program, "peer-worker", *(work / dataset.name for dataset in [*searched, adding])])
    try:
        for dataset in searched:
            search(comparison, worker, work, dataset, arguments)
            gc.collect()
        add(comparison, worker, work, adding, arguments, prefilled, singles, batches, batch)
    finally:
        worker.end()
    comparison.plotted = {
        "search": ("a search", [cell for cell in comparison.cells if cell.residency]),
        "adding": ("adding", [cell for cell in comparison.cells if not cell.residency]),
    }
    return comparison


def search(comparison, worker, work, dataset, arguments):
    """Fills every side with the data set and measures both users."""
    from . import engram, rounds

    count = len(dataset.memories)
    store = work / f"{dataset.name}.memory"
    machine.say(f"{dataset.name}: filling Engram with {count:,} memories")
    worker.call("open", store)
    worker.call("addBatches", store, data=dataset.name, first=0, count=count, batch=1000)
    sides = {
        "hybrid": [engram.Engine(worker, "Engram, words and vectors", store, dataset, "hybrid")],
        "words": [engram.Engine(worker, "Engram, words", store, dataset, "lexical")],
    }

    def sqlite_sides():
        from . import sqlite

        database = sqlite.Database(work / f"{dataset.name}.sqlite")
        comparison.versions["SQLite"] = database.version()
        database.fill(dataset, count)
        database.add_embeddings(dataset, count)
        return [("hybrid", sqlite.Engine(database, dataset, kind)) for kind in ["best", "scope"]] + [("words", sqlite.Engine(database, dataset, "words"))]

    def memory_sides():
        from . import in_memory

        indexes = {user: in_memory.UserIndex(dataset, dataset.of_user(user), arguments.threads) for user in [SMALL, LARGE]}
        return [("hybrid", in_memory.Engine(indexes, dataset, True)), ("words", in_memory.Engine(indexes, dataset, False))]

    def tantivy_sides():
        from . import tantivy_words

        return [("words", tantivy_words.Engine(tantivy_words.Index(work / f"{dataset.name}.tantivy", dataset, count), dataset))]

    for peer, make in zip(PACKAGES, [sqlite_sides, memory_sides, tantivy_sides]):
        for group, side in availability.made(comparison, peer, make):
            sides[group].append(side)
    comparison.versions["Engram's BLAS"] = worker.blas()

    engines = [engine for group in sides.values() for engine in group]
    comparison.notes |= {engine.name: engine.note for engine in engines if engine.note}
    for user, per_round in [(SMALL, 40), (LARGE, 10)]:
        numbers, asked = dataset.of_user(user), dataset.asked[user]
        for group, members in sides.items():
            for engine in members:
                check(engine, user, dataset, numbers, 20 if group == "hybrid" else 12)
        machine.say(f"{dataset.name}: {arguments.rounds} rounds over the user of {len(numbers):,}")
        measured = rounds.interleaved(
            arguments.rounds,
            {
                engine.name: lambda number, engine=engine: engine.search(
                    user, [asked[(number * per_round + place) % len(asked)] for place in range(per_round)], LIMIT)[:2]
                for engine in engines
            })
        cell = report.Cell(
            f"{dataset.name}: a user of {len(numbers):,} memories", measured, [[engine.name for engine in group] for group in sides.values()],
            machine.residency(len(numbers) * dataset.vectors.shape[1] * 4))
        comparison.cells.append(cell)
        targets(comparison, cell, user, arguments)
    worker.call("close", store)


def check(engine, user, dataset, numbers, wanted):
    """That a side answers with ten of the user's memories: who is fast by finding nothing is not compared. A question may have no word that is known."""
    texts = {dataset.memories[number]["text"] for number in numbers}
    _, _, found = engine.search(user, list(dataset.asked[user][:20]), LIMIT)
    answered = sum(bool(hits) for hits in found)
    strangers = sum(text not in texts for hits in found for text in hits)
    if strangers or answered < wanted or max(map(len, found)) != LIMIT:
        raise SystemExit(
            f"{dataset.name}: {engine.name} answers {answered} of 20 questions of {user} with at most {max(map(len, found))} results, "
            f"{strangers} of them of other users")


def targets(comparison, cell, user, arguments):
    """Those of Engram's targets that are about these figures; they are for the full size."""
    if arguments.quick:
        return
    for name, microseconds in [("Engram, words and vectors", {SMALL: 300, LARGE: 5_000}[user]), ("Engram, words", {SMALL: 300, LARGE: 5_000}[user])]:
        median = cell.measured[name].median
        comparison.targets.append(
            report.Target(f"{cell.title}: {name}", report.duration(median), report.duration(microseconds / 1e6), median * 1e6 <= microseconds))
    for peer, ratio in cell.ratios().items():
        if user == LARGE and peer.startswith("SQLite FTS5 + sqlite-vec"):
            comparison.targets.append(report.Target(f"{cell.title}: against {peer}", f"{ratio:.1f} ×", "10 ×", ratio >= 10))


def add(comparison, worker, work, dataset, arguments, prefilled, singles, batches, batch):
    """One durable memory after the other, and batches of a thousand: Engram with words, without words, and SQLite."""
    from . import engram, rounds

    machine.say(f"adding: filling every side with {prefilled:,} memories")
    store, wordless = work / "adding.memory", work / "wordless.memory"
    for place in [store, wordless]:
        worker.call("open", place)
    worker.call("close", wordless)
    without = engram.WithoutWords(wordless)
    worker.call("open", wordless)
    for place in [store, wordless]:
        worker.call("addBatches", place, data=dataset.name, first=0, count=prefilled, batch=1000)
    sides = [engram.Engine(worker, "Engram", store, dataset), engram.Engine(worker, "Engram without words", wordless, dataset)]
    groups = [["Engram", "Engram without words"]]

    def sqlite_sides():
        from . import sqlite

        database = sqlite.Database(work / "adding.sqlite")
        database.fill(dataset, prefilled)
        return [sqlite.Adding(database, dataset)]

    for side in availability.made(comparison, "SQLite FTS5 + sqlite-vec", sqlite_sides):
        sides.append(side)
        groups[0].append(side.name)
        comparison.notes[f"{side.name}, adding"] = side.note
    comparison.notes["Engram without words"] = "not an option of the store: the files say that the table is missing, as those of a version without it"

    machine.say(f"adding: {arguments.rounds} rounds of {singles} memories, each in a commit of its own")
    measured = rounds.interleaved(
        arguments.rounds, {side.name: lambda number, side=side: side.add(prefilled + number * singles, singles) for side in sides})
    one = report.Cell("one memory, durable", measured, groups)
    start = prefilled + (arguments.rounds + 1) * singles
    machine.say(f"adding: {arguments.rounds} rounds of {batches} batches of {batch:,} memories")
    measured = rounds.interleaved(
        arguments.rounds,
        {side.name: lambda number, side=side: side.add_batches(start + number * batches * batch, batches * batch, batch) for side in sides})
    bulk = report.Cell(f"a batch of {batch:,} memories, durable", measured, groups)
    comparison.cells += [one, bulk]
    for place in [store, wordless]:
        worker.call("close", place)
    without.check()
    if not arguments.quick:
        for cell, wanted in [(one, 1.5), (bulk, 3.0)]:
            ratio = cell.measured["Engram without words"].ratio(cell.measured["Engram"])
            comparison.targets.append(report.Target(f"{cell.title}: with words against without", f"{ratio:.2f} ×", f"{wanted} ×", ratio <= wanted))
