"""The table of a comparison: Markdown for people, plain values for programs, bars for both."""

import dataclasses
import html
import math

from . import machine


@dataclasses.dataclass
class Cell:
    """One call, by every side in turns. The first of `sides` of each group is Engram's, which the rest of the group is compared with."""

    title: str
    # By name of the side.
    measured: dict
    # Names of sides that do the same job, Engram's first.
    groups: list
    # Where the data can lie between two calls.
    residency: str = ""
    # The share of the true best ten that a side finds, by its name; empty: not measured.
    recalls: dict = dataclasses.field(default_factory=dict)

    def ratios(self):
        """How many times as long each peer takes as Engram, by name of the peer."""
        return {peer: self.measured[ours].ratio(self.measured[peer]) for ours, *peers in self.groups for peer in peers}

    def losses(self):
        for ours, *peers in self.groups:
            for peer in peers:
                ratio = self.measured[ours].ratio(self.measured[peer])
                if ratio < 1 and not is_ours(peer):
                    # Of a side that finds less than Engram the recall is said.
                    recall = f" at recall {self.recalls[peer]:.3f}" if self.recalls.get(peer, 1) < 0.9995 else ""
                    yield (
                        f"{self.title}: {ours} loses to {peer}{recall}: {duration(self.measured[ours].median)} against "
                        f"{duration(self.measured[peer].median)}, {1 / ratio:.2g} × as long.")


@dataclasses.dataclass
class Target:
    name: str
    measured: str
    wanted: str
    reached: bool


@dataclasses.dataclass
class Comparison:
    title: str
    rounds: int
    threads: int
    settings: list
    versions: dict
    cells: list = dataclasses.field(default_factory=list)
    targets: list = dataclasses.field(default_factory=list)
    # What a side does not do, by its name.
    notes: dict = dataclasses.field(default_factory=dict)
    # Lines on peers that could not be run, and names of those that were.
    missing: list = dataclasses.field(default_factory=list)
    peers: list = dataclasses.field(default_factory=list)
    machine: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    def plots(self):
        return {name: bars(f"{self.title}: {title}", cells) for name, (title, cells) in self.plotted.items() if cells} | self.drawn

    # Title and cells of each plot of bars, by the end of the file's name.
    plotted: dict = dataclasses.field(default_factory=dict)
    # Other plots as SVG, likewise.
    drawn: dict = dataclasses.field(default_factory=dict)


def is_ours(side):
    return side.startswith("Engram")


def duration(seconds):
    for unit, factor in [("s", 1), ("ms", 1e3)]:
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs" if seconds < 0.9995e-3 else "1.00 ms"


def row(columns):
    return f"| {' | '.join(columns)} |"


def markdown(comparison):
    described = comparison.machine
    lines = [f"# {comparison.title}", ""]
    lines += [
        f"- {described['processor']}, {described['processors']} processors ({', '.join(described['flags'])}); L3 "
        + (" or ".join(map(machine.megabytes, described["l3_bytes"])) or "unknown")
        + f"; Linux {described['kernel']}; stores on {described['file_system']}; load at the end {described['load']:.1f}",
        f"- {comparison.rounds} rounds in turns, medians; {comparison.threads} processors for each side; {comparison.seconds:.0f} s in all"
        + "".join(f"; {name}={value}" for name, value in described["environment"].items()),
        "- " + "; ".join(f"{name} {version}" for name, version in comparison.versions.items()),
    ]
    lines += [f"- {line}" for line in comparison.settings] + [f"- MISSING: {line}" for line in comparison.missing] + [""]
    for cell in comparison.cells:
        lines += [f"## {cell.title}", ""] + ([f"Working set: {cell.residency}.", ""] if cell.residency else [])
        recall = ["recall@10"] if cell.recalls else []
        columns = ["side", "median", "fastest and slowest round", "threads busy", *recall, "against Engram"]
        lines += [row(columns), row(["---"] * len(columns))]
        ratios = cell.ratios()
        for group in cell.groups:
            for name in group:
                found = cell.measured[name]
                if name == group[0]:
                    against = "–"
                elif is_ours(name) or ratios[name] >= 1:
                    against = f"{ratios[name]:.2f} × as long"
                else:
                    against = f"**{ratios[name]:.2f} × as long: Engram loses**"
                recall = [f"{cell.recalls[name]:.3f}"] if cell.recalls else []
                lines.append(
                    row([
                        name, duration(found.median), f"{duration(min(found.rounds))} to {duration(max(found.rounds))}", f"{found.threads:.1f}", *recall,
                        against,
                    ]))
        lines.append("")
    if comparison.targets:
        lines += ["## Targets", "", "| what | measured | wanted | |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {target.name} | {target.measured} | {target.wanted} | {'reached' if target.reached else '**MISSED**'} |" for target in comparison.targets]
        lines.append("")
    losses = [loss for cell in comparison.cells for loss in cell.losses()]
    lines += ["## Where Engram loses", "", "Factors are medians over the rounds.", ""] + ([f"- {loss}" for loss in losses] or ["Nowhere in this run."]) + [""]
    if comparison.notes:
        sides = {}
        for name, note in comparison.notes.items():
            sides.setdefault(note, []).append(name)
        lines += ["## What the sides do not do", ""] + [f"- {'; '.join(names)}: {note}." for note, names in sides.items()] + [""]
    return "\n".join(lines)


def plain(comparison):
    return {
        "title": comparison.title, "machine": comparison.machine, "rounds": comparison.rounds, "threads": comparison.threads,
        "seconds": comparison.seconds, "versions": comparison.versions, "settings": comparison.settings, "missing": comparison.missing,
        "cells": [
            {
                "title": cell.title, "residency": cell.residency,
                "sides": {
                    name: {"median_seconds": found.median, "rounds_seconds": found.rounds, "threads_busy": found.threads}
                    | ({"recall": cell.recalls[name]} if cell.recalls else {})
                    for name, found in cell.measured.items()
                },
                "times_as_long_as_engram": cell.ratios(),
            }
            for cell in comparison.cells
        ],
        "targets": [dataclasses.asdict(target) for target in comparison.targets],
        "losses": [loss for cell in comparison.cells for loss in cell.losses()],
        "notes": comparison.notes,
    }


WIDTH, LABEL, ROW, GAP, TOP = 940, 300, 22, 34, 52
OURS, THEIRS = "#1f6feb", "#8c959f"


def bars(title, cells):
    """Horizontal bars on one logarithmic scale; a thin line from the fastest to the slowest round."""
    times = [time for cell in cells for found in cell.measured.values() for time in found.rounds]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    low, high = (low, high) if low < high else (low, low + 1)
    right = WIDTH - 100
    place = lambda seconds: LABEL + (math.log10(seconds) - low) / (high - low) * (right - LABEL)
    height = TOP + sum(GAP + ROW * len(cell.measured) for cell in cells) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="sans-serif" font-size="13">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="28" font-size="17" font-weight="bold">{html.escape(title)}</text>',
        f'<text x="{WIDTH - 16}" y="28" text-anchor="end" fill="#57606a">median, logarithmic; the line: fastest to slowest round</text>',
    ]
    for power in range(low, high + 1):
        x = place(10.0**power)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - 28}" stroke="#d8dee4"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle" fill="#57606a">{duration(10.0**power)}</text>')
    y = TOP
    for cell in cells:
        parts.append(f'<text x="16" y="{y + 18}" font-weight="bold">{html.escape(cell.title)}</text>')
        y += GAP - 8
        for group in cell.groups:
            for name in group:
                found, color = cell.measured[name], OURS if is_ours(name) else THEIRS
                end, middle = place(found.median), y + ROW / 2
                parts.append(f'<text x="{LABEL - 8}" y="{middle + 4:.1f}" text-anchor="end">{html.escape(name)}</text>')
                parts.append(f'<rect x="{LABEL}" y="{y + 3}" width="{max(end - LABEL, 1):.1f}" height="{ROW - 6}" fill="{color}"/>')
                first, last = place(min(found.rounds)), place(max(found.rounds))
                parts.append(f'<line x1="{first:.1f}" y1="{middle:.1f}" x2="{last:.1f}" y2="{middle:.1f}" stroke="black"/>')
                parts.append(f'<text x="{max(end, last) + 6:.1f}" y="{middle + 4:.1f}">{duration(found.median)}</text>')
                y += ROW
        y += 8
    return "\n".join(parts + ["</svg>", ""])
