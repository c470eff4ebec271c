"""Records: contexts read and updated, and memories added, by Engram, raw LMDB, py-lmdb, SQLite and GRDB, equally durable."""

import os
import random
import sys

from . import availability, machine, report

PACKAGES = {"py-lmdb": ["lmdb"], "SQLite": ["apsw"]}
WRITERS = [1, 8, 64]
RAW = "raw LMDB"


def add_options(parser):
    parser.add_argument("--full", action="store_true", help="1,000,000 users instead of 200,000")


def check_options(arguments, fail):
    if arguments.quick and arguments.full:
        fail("--quick and --full exclude each other")


def run(arguments, work):
    from . import engram, flushes, record_sides, rounds

    quick = arguments.quick
    users = 5_000 if quick else 1_000_000 if arguments.full else 200_000
    comparison = report.Comparison(
        "Records", arguments.rounds, arguments.threads,
        [
            f"{users:,} users, each with a context of 3 preferences and 3 topics; an update reads, changes and stores one",
            "a memory has a text and a vector of 384 dimensions",
            f"{RAW}: its C functions, called directly, with bytes of the same size, nothing decoded; beside more tasks its rate is that of one thread that "
            "commits one update after the other",
        ], availability.versions(["lmdb", "apsw"]))
    availability.list_peers(comparison, PACKAGES)
    comparison.peers.append(RAW)
    worker = engram.Worker([arguments.program, "peer-records"])
    workers = [worker]
    try:
        ours = record_sides.Process("Engram", worker, work / "records.memory")
        raw = record_sides.Process(
            RAW, worker, work / "raw", "bytes of the same size under scattered keys, which nobody decodes or changes; nothing is indexed")
        ours.call("open")
        raw.call("openRaw")
        sides = [ours, raw, *availability.made(comparison, "py-lmdb", lambda: [record_sides.PyLMDB(work / "py-lmdb")])]

        def sqlite_sides():
            import apsw

            side = record_sides.SQLite(work / "records.sqlite")
            comparison.versions["SQLite of apsw"] = apsw.sqlite_lib_version()
            require_full(side.name, side.settings())
            return [side]

        sides += availability.made(comparison, "SQLite", sqlite_sides)

        def grdb_sides():
            workers.append(engram.Worker([os.environ["PEERS_GRDB"]]))
            side = record_sides.Process(
                "GRDB", workers[-1], work / "grdb.sqlite",
                "a DatabasePool in WAL mode, synchronous=FULL; Codable records; memories have one index, by user")
            settings = side.call("open")["settings"]
            comparison.versions |= {"GRDB": os.environ.get("PEERS_GRDB_VERSION", "unknown"), "SQLite of GRDB": settings["SQLite"]}
            require_full(side.name, settings)
            return [side]

        if os.environ.get("PEERS_GRDB"):
            comparison.peers.append("GRDB")
            sides += availability.made(comparison, "GRDB", grdb_sides)
        else:
            availability.leave_out(comparison, "GRDB", "it could not be built: see above")
        durability(comparison, work, arguments, sides, flushes)

        machine.say(f"{users:,} contexts for every side")
        for side in list(sides):
            filled = availability.made(comparison, peer_of(side), lambda side=side: [side.fill(users)]) if side is not ours else [side.fill(users)]
            if not filled:
                sides.remove(side)
        Records(comparison, sides, users, arguments, rounds).run()
    finally:
        for each in workers:
            each.end()
    return comparison


def peer_of(side):
    return "SQLite" if side.name.startswith("SQLite") else side.name


def require_full(name, settings):
    """PRAGMA synchronous reads back 2 for FULL."""
    if (settings["journal_mode"], settings["synchronous"]) != ("wal", "2"):
        raise ValueError(f"{name} is not as durable as Engram: {settings}")


def durability(comparison, work, arguments, sides, flushes):
    """States how often each side flushes for a commit, and refuses one that does not."""
    commands = {
        "Engram": [arguments.program, "peer-records"], RAW: [arguments.program, "peer-records"], "GRDB": [os.environ.get("PEERS_GRDB", "")],
        **{name: [sys.executable, "-m", "peers.flushes", name] for name in flushes.PYTHON},
    }
    machine.say("counting flushes")
    found = {side.name: flushes.of_commit(work, side.name, commands[side.name]) for side in sides}
    if None in found.values():
        missing = ", ".join(name for name, count in found.items() if count is None)
        comparison.settings.append(f"flushes of a commit could not be counted with strace: {missing}")
    counted = {name: count for name, count in found.items() if count is not None}
    for name, count in counted.items():
        if count < 0.95:
            raise SystemExit(f"{name} flushes {count:.2f} times for a commit: it is not durable, and nothing was compared")
    if counted:
        comparison.settings.append(
            "flushes of a durable update, counted with strace (fdatasync, fsync, msync, and writes to files opened with O_DSYNC): "
            + ", ".join(f"{name} {count:.1f}" for name, count in counted.items()))
    comparison.settings.append("PRAGMA synchronous and journal_mode of the SQLite sides are read back: FULL, WAL")


class Records:
    def __init__(self, comparison, sides, users, arguments, rounds):
        self.comparison, self.sides, self.users, self.arguments, self.rounds = comparison, sides, users, arguments, rounds
        comparison.notes |= {side.name: side.note for side in sides if side.note}

    def run(self):
        quick = self.arguments.quick
        self.read({"Engram": 2_000 if quick else 20_000, RAW: 2_000 if quick else 20_000, "GRDB": 200 if quick else 2_000}, 500 if quick else 5_000)
        by_writers = {}
        for tasks in WRITERS:
            cell, batch = self.update(tasks, 10 if quick else 100)
            for name, found in cell.measured.items():
                by_writers.setdefault(name, []).append((tasks, 1 / found.median))
            self.update_targets(cell, tasks, batch)
        self.add(200 if quick else 2_000, 100 if quick else 1_000)
        self.draw(by_writers)

    def cell(self, title, calls, residency=""):
        machine.say(f"{title}: {self.arguments.rounds} rounds of {len(calls)} sides")
        measured = self.rounds.interleaved(self.arguments.rounds, calls)
        cell = report.Cell(title, measured, [list(calls)], residency)
        self.comparison.cells.append(cell)
        return cell

    def read(self, reads, otherwise):
        generator = random.Random(1)
        picks = [generator.randrange(self.users) for _ in range(max(reads.values()))]
        cell = self.cell(
            f"a context of {self.users:,} users",
            {side.name: lambda number, side=side: side.read(picks[: reads.get(side.name, otherwise)]) for side in self.sides})
        for peer, wanted, is_faster in [(RAW, 4, False), ("GRDB", 20, True)]:
            self.ratio_target(cell, peer, wanted, is_faster)

    def update(self, tasks, updates):
        ours = self.sides[0]
        # As many commits for each side but Engram, whose tasks share commits.
        shares = {ours.name: max(updates // 2, 10) if tasks > 1 else updates, RAW: updates}
        before = ours.counters()
        cell = self.cell(
            f"durable updates of {tasks} task{'s' if tasks > 1 else ''}, for each update",
            {
                side.name: lambda number, side=side: side.update(tasks, shares.get(side.name, max(updates // tasks, 2)))
                for side in self.sides
            })
        after = ours.counters()
        batch = (after[0] - before[0]) / max(after[1] - before[1], 1)
        if tasks > 1:
            self.comparison.settings.append(f"{tasks} tasks at once: Engram put {batch:.1f} updates into a commit")
        return cell, batch

    def update_targets(self, cell, tasks, batch):
        if tasks == 1:
            self.ratio_target(cell, RAW, 1.3, False)
        if tasks == 64:
            self.ratio_target(cell, RAW, 5, True)
            self.ratio_target(cell, "GRDB", 5, True)
            if not self.arguments.quick:
                self.comparison.targets.append(report.Target("updates in a commit, 64 tasks", f"{batch:.1f}", "32", batch >= 32))

    def add(self, count, batch):
        calls = {side.name: lambda number, side=side: side.add(number * count, count, batch) for side in self.sides}
        cell = self.cell(f"memories added, durable in batches of {batch:,}, for each memory", calls)
        if not self.arguments.quick:
            rate = 1 / cell.measured["Engram"].median
            self.comparison.targets.append(report.Target("memories added in a second", f"{rate:,.0f}", "25,000", rate >= 25_000))

    def ratio_target(self, cell, peer, wanted, is_faster):
        """`is_faster`: the peer takes at least `wanted` times as long; else Engram takes at most `wanted` times as long."""
        if self.arguments.quick or peer not in cell.measured:
            return
        ratio = cell.ratios()[peer]
        if is_faster:
            self.comparison.targets.append(report.Target(f"{cell.title}: {peer} takes", f"{ratio:.2f} × as long", f"{wanted} ×", ratio >= wanted))
        else:
            self.comparison.targets.append(
                report.Target(f"{cell.title}: against {peer}", f"{1 / ratio:.2f} × as long", f"at most {wanted} ×", 1 / ratio <= wanted))

    def draw(self, by_writers):
        lacking = availability.lacks(["matplotlib"])
        if lacking:
            self.comparison.missing.append(f"no plots: {lacking}")
            return
        from . import plots

        self.comparison.drawn["writers"] = plots.lines(
            "Durable updates", f"tasks or threads that update at once ({self.arguments.threads} processors)", "updates a second (median)", by_writers, WRITERS)
