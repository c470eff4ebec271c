"""Which peers can be run, and the versions of those that can."""

import pathlib
import subprocess

from . import machine


def lacks(modules):
    for module in modules:
        try:
            __import__(module)
        except Exception as error:  # Whatever a module throws while it is loaded.
            return f"{module} cannot be loaded ({error})"
    return None


def list_peers(comparison, packages):
    """Lists those of `packages` (modules by peer) that can be loaded as peers, and the others as missing."""
    for peer, modules in packages.items():
        lacking = lacks(modules)
        if lacking:
            leave_out(comparison, peer, lacking)
        else:
            comparison.peers.append(peer)


def leave_out(comparison, peer, reason):
    """Goes on without a peer: the table and the exit code say so."""
    comparison.missing.append(f"{peer} is not compared: {reason}")
    machine.say(comparison.missing[-1])
    if peer in comparison.peers:
        comparison.peers.remove(peer)


def made(comparison, peer, make):
    """The sides that `make` returns; none if the peer is not here, or fails: its interface may have changed."""
    if peer not in comparison.peers:
        return []
    machine.say(f"preparing {peer}")
    try:
        return make()
    except Exception as error:  # Whatever a peer throws.
        leave_out(comparison, peer, f"{type(error).__name__}: {error}")
        return []


def versions(packages):
    """Engram's commit, and the versions of those of `packages` that are installed."""
    found = {}
    home = pathlib.Path(__file__).parent
    commit = subprocess.run(
        ["git", "-C", home, "describe", "--always", "--dirty", "--abbrev=7"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    found["Engram"] = commit.stdout.strip() or "unknown"
    for package in packages:
        try:
            found[package] = machine.version(package)
        except ImportError:
            pass
    return found
