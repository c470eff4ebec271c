#!/usr/bin/env python3
"""Plants the defects of this directory in a copy of the sources. The product itself has no trace of them.

    plant.py check           fails if a defect no longer applies to the sources
    plant.py copy DIRECTORY  makes the copy that Tools/torture builds; writes only what changed, so that the build stays incremental
    plant.py sanitizer DIRECTORY
                             makes the copy that the thread sanitizer watches: R1, a race, and locks that it knows (Tests/ThreadSanitizer)

A file NAME.defect has edits of one defect, each switched on by PlantedDefect.isPlanted("NAME") (PlantedDefect.swift goes into the copy's
module Files). It reads like a diff without line numbers:

    # Text for the reader.
    --- Sources/Engram/Writing/RowStaging.swift
    import Files
    @@ mutating func flush() throws(FileError) {
     guard needsFlush else { return }
    +if PlantedDefect.isPlanted("P1") { return }

'---' begins a file, 'import' adds an import if it is missing, '@@' begins an edit. The text after '@@' is a line of the file that
occurs once; the edit applies between it and the end of its block. '@@ end' appends to the file. Lines with ' ' must be there, '-' are
removed, '+' are added. They are compared without their indentation, and must occur once, together.
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
COPIED = ["Package.swift", "Package.resolved", "Sources", "Tests", "Tools/memtool"]


class Misfit(Exception):
    """An edit that does not apply, or a file that cannot be understood."""


class Edit:
    """Lines that are found, removed and added in one file."""

    def __init__(self, defect, path, scope):
        self.defect, self.path, self.scope, self.lines = defect, path, scope, []

    def fail(self, why):
        raise Misfit(f"{self.defect}.defect no longer applies to {self.path}: {why}")

    def changes(self, lines):
        """(first line, lines removed, lines added) in terms of the file as it is."""
        if self.scope == "end":
            return [(len(lines), 0, [text for _, text in self.lines])]
        first, last = self.block(lines)
        wanted = [text.strip() for mark, text in self.lines if mark != "+"]
        if not wanted:
            self.fail("an edit without a line that must be there")
        stripped = [line.strip() for line in lines[first:last]]
        found = [first + at for at in range(len(stripped)) if stripped[at : at + len(wanted)] == wanted]
        if len(found) != 1:
            where = f" in the block of '{self.scope}'" if self.scope else ""
            self.fail(f"'{wanted[0]}' is there {len(found)} times{where}, not once")
        changes, at = [], found[0]
        for mark, text in self.lines:
            if mark == "+":
                changes.append((at, 0, [text]))
                continue
            if mark == "-":
                changes.append((at, 1, []))
            at += 1
        return changes

    def block(self, lines):
        """The lines of the scope: to the next one that is indented as its first and closes it."""
        if not self.scope:
            return 0, len(lines)
        heads = [at for at, line in enumerate(lines) if line.strip() == self.scope]
        if len(heads) != 1:
            self.fail(f"'{self.scope}' is there {len(heads)} times, not once")
        head = heads[0]
        indentation = re.match(r" *", lines[head]).group()
        for at in range(head + 1, len(lines)):
            if lines[at].startswith(indentation + "}"):
                return head, at + 1
        self.fail(f"the block of '{self.scope}' has no end")


def parse(path):
    """The edits and the imports (by file) of a .defect file."""
    defect = os.path.basename(path)[: -len(".defect")]
    edits, imports, file, edit = [], [], None, None
    with open(path, encoding="utf-8") as text:
        for number, line in enumerate(text.read().split("\n"), 1):
            if line.startswith("--- "):
                file, edit = line[4:].strip(), None
            elif line.startswith("@@") and file:
                edit = Edit(defect, file, line[2:].strip())
                edits.append(edit)
            elif edit and line[:1] in (" ", "-", "+"):
                edit.lines.append((line[0], line[1:]))
            elif file and not edit and line.startswith("import "):
                imports.append((file, line))
            elif line and not line.startswith("#"):
                raise Misfit(f"{defect}.defect, line {number}: neither a file, an import, an edit nor a line of one")
    if not edits:
        raise Misfit(f"{defect}.defect has no edits")
    return edits, imports


def is_race(defect):
    """Races are for the thread sanitizer, the others for the torture harness."""
    return defect.startswith("R")


def planted(root, wants=lambda defect: True):
    """The text of every file that a wanted defect changes, by path."""
    edits, imports, misfits = {}, {}, []
    for name in sorted(os.listdir(HERE)):
        if not name.endswith(".defect") or not wants(name[: -len(".defect")]):
            continue
        try:
            found, wanted = parse(os.path.join(HERE, name))
        except Misfit as misfit:
            misfits.append(str(misfit))
            continue
        for edit in found:
            edits.setdefault(edit.path, []).append(edit)
        for path, line in wanted:
            imports.setdefault(path, set()).add(line)
    texts = {}
    for path, list_of_edits in sorted(edits.items()):
        try:
            with open(os.path.join(root, path), encoding="utf-8") as file:
                lines = file.read().split("\n")
        except OSError as error:
            misfits += [f"{edit.defect}.defect no longer applies to {path}: {error.strerror}" for edit in list_of_edits]
            continue
        changes = []
        for edit in list_of_edits:
            # All edits are found in the file as it is: none can hide or double the place of another.
            try:
                changes += edit.changes(lines)
            except Misfit as misfit:
                misfits.append(str(misfit))
        if any(removed for _, removed, _ in changes):
            gone = [at for at, removed, _ in changes if removed]
            if len(gone) != len(set(gone)):
                misfits.append(f"two defects remove the same line of {path}")
        first_import = next((at for at, line in enumerate(lines) if line.startswith("import ")), 0)
        for line in sorted(imports.get(path, ())):
            if not any(known == line or known.endswith(" " + line) for known in lines):
                changes.append((first_import, 0, [line]))
        order = sorted(range(len(changes)), key=lambda index: (changes[index][0], changes[index][1], index))
        result, position = [], 0
        for index in order:
            at, removed, added = changes[index]
            result += lines[position:at] + added
            position = at + removed
        texts[path] = "\n".join(result + lines[position:])
    if misfits:
        raise Misfit("\n".join(misfits))
    return texts


def files(root):
    """What is copied, by its path below the root."""
    for entry in COPIED:
        whole = os.path.join(root, entry)
        if os.path.isfile(whole):
            yield entry
        for directory, folders, names in os.walk(whole):
            folders[:] = [folder for folder in folders if folder not in ("__pycache__", ".build")]
            for name in names:
                yield os.path.relpath(os.path.join(directory, name), root)


def locks(root):
    """Mutex.swift for each module that has a Synchronization.Mutex."""
    with open(os.path.join(ROOT, "Tests", "ThreadSanitizer", "Mutex.swift"), "rb") as file:
        mutex = file.read()
    for path in files(root):
        if not path.endswith(".swift") or path.startswith("Tests/ThreadSanitizer/"):
            continue
        with open(os.path.join(root, path), encoding="utf-8") as file:
            if re.search(r"^import Synchronization$", file.read(), re.MULTILINE):
                yield "/".join(path.split("/")[:2]) + "/SanitizerMutex.swift", mutex


def copy(root, target, is_for_sanitizer):
    wanted = planted(root, is_race if is_for_sanitizer else lambda defect: not is_race(defect))
    contents = {path: text.encode() for path, text in wanted.items()}
    if is_for_sanitizer:
        contents.update(locks(root))
    with open(os.path.join(HERE, "PlantedDefect.swift"), "rb") as file:
        contents["Sources/Files/PlantedDefect.swift"] = file.read()
    for path in files(root):
        if path not in contents:
            with open(os.path.join(root, path), "rb") as file:
                contents[path] = file.read()
    for path, data in contents.items():
        destination = os.path.join(target, path)
        try:
            with open(destination, "rb") as file:
                if file.read() == data:
                    continue
        except OSError:
            os.makedirs(os.path.dirname(destination), exist_ok=True)
        with open(destination, "wb") as file:
            file.write(data)
    for path in list(files(target)):
        if path not in contents:
            os.remove(os.path.join(target, path))


def main(arguments):
    try:
        if arguments == ["check"]:
            planted(ROOT)
        elif len(arguments) == 2 and arguments[0] in ("copy", "sanitizer"):
            copy(ROOT, arguments[1], arguments[0] == "sanitizer")
        else:
            sys.exit(__doc__)
    except Misfit as misfit:
        sys.exit(str(misfit))


main(sys.argv[1:])
