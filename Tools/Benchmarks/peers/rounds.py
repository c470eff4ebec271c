"""Measuring in turns, so that a machine that drifts drifts under every side."""

import dataclasses
import statistics
import time


@dataclasses.dataclass
class Measurement:
    """One side of one comparison: seconds of a call, a median for each round."""

    rounds: list
    # Seconds of processors for each second that passed: how many threads were busy.
    threads: float

    @property
    def median(self):
        return statistics.median(self.rounds)

    def ratio(self, other):
        """How many times as long `other` takes, the median over the rounds: both of a pair belong to the same moment."""
        return statistics.median(theirs / ours for ours, theirs in zip(self.rounds, other.rounds))


def interleaved(rounds, sides):
    """Runs each of `sides` once unmeasured and then `rounds` times in turns: A, B, C, A, B, C.

    `sides` are functions by name, which get the number of the round (0: unmeasured) and return the seconds of each call and those of processors.
    """
    medians = {name: [] for name in sides}
    busy = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            seconds, processor_seconds = side(number)
            if number:
                medians[name].append(statistics.median(seconds))
                busy[name].append(processor_seconds / max(sum(seconds), 1e-9))
    return {name: Measurement(medians[name], statistics.median(busy[name])) for name in sides}


def timed(calls):
    """Runs each of `calls`: the seconds of each, those of processors, and what they returned."""
    seconds, results = [], []
    processor = time.process_time()
    for call in calls:
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
        results.append(result)
    return seconds, time.process_time() - processor, results
