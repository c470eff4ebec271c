"""The command line of `Tools/peers`, which has built Engram's side and installed the peers."""

import argparse
import json
import os
import pathlib
import shutil
import sys
import time

from . import machine, records, report, text, vectors

# A comparison adds its options to a parser and runs: it returns a report.Comparison.
COMPARISONS = {"text": text, "vectors": vectors, "records": records}
# Relative paths are meant from where the command was called, its own folder is the project's.
HOME = pathlib.Path(os.environ.get("PEERS_HOME", ".")) / ".build" / "peers"


def main():
    parser = argparse.ArgumentParser(
        prog="Tools/peers", description="Runs Engram and its peers in turns within one run, and writes a table (Markdown, JSON) and plots (SVG).",
        epilog="Exit code 0: all was run; 1: something failed; 2: some peer could not be installed or run; 64: wrong usage; 77: no peer could be run.")
    parser.error = lambda message: (print(f"Tools/peers: {message}", file=sys.stderr), sys.exit(64))
    commands = parser.add_subparsers(dest="comparison", required=True, metavar="COMPARISON")
    for name, module in COMPARISONS.items():
        command = commands.add_parser(name, help=module.__doc__.splitlines()[0], description=module.__doc__)
        command.error = parser.error
        command.add_argument("--quick", action="store_true", help="small data and three rounds: whether it works, not how fast it is")
        command.add_argument("--rounds", type=int, help="rounds of each measurement; 15 by default, 3 with --quick")
        command.add_argument("--threads", type=int, help="processors that each side may use; all by default")
        command.add_argument("--output", type=pathlib.Path, default=HOME / "results", help="where the results are written; .build/peers/results by default")
        command.add_argument(
            "--directory", type=pathlib.Path, default=HOME, help="where the stores are made, on the disk that is measured; .build/peers by default")
        module.add_options(command)
    arguments = parser.parse_args()
    arguments.program = os.environ.get("PEERS_PROGRAM")
    processors = sorted(os.sched_getaffinity(0))
    arguments.threads = len(processors) if arguments.threads is None else arguments.threads
    arguments.rounds = (3 if arguments.quick else 15) if arguments.rounds is None else arguments.rounds
    if not 1 <= arguments.threads <= len(processors):
        parser.error(f"--threads is 1 to {len(processors)} here")
    if arguments.rounds < 1:
        parser.error("--rounds is at least 1")
    COMPARISONS[arguments.comparison].check_options(arguments, parser.error)
    # Tools/peers asks before it installs and builds anything.
    if os.environ.get("PEERS_CHECK_USAGE"):
        return 0
    # Nobody can use more, whatever its own setting is.
    os.sched_setaffinity(0, processors[: arguments.threads])

    started = time.monotonic()
    work = arguments.directory / f"work-{os.getpid()}"
    work.mkdir(parents=True)
    try:
        comparison = COMPARISONS[arguments.comparison].run(arguments, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    comparison.machine = machine.description(arguments.directory)
    comparison.seconds = time.monotonic() - started
    arguments.output.mkdir(parents=True, exist_ok=True)
    table = report.markdown(comparison)
    (arguments.output / f"{arguments.comparison}.md").write_text(table, encoding="utf-8")
    (arguments.output / f"{arguments.comparison}.json").write_text(
        json.dumps(report.plain(comparison), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, plot in comparison.plots().items():
        (arguments.output / f"{arguments.comparison}-{name}.svg").write_text(plot, encoding="utf-8")
    print(table)
    print(f"{arguments.output}: {', '.join(sorted(path.name for path in arguments.output.glob(f'{arguments.comparison}*')))}", file=sys.stderr)
    if comparison.missing and not comparison.peers:
        return 77
    return 2 if comparison.missing else 0


sys.exit(main())
