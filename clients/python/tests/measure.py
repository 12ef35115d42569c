"""Times the reading of an experiment into a frame, by Arrow and by CSV.

Usage: measure.py URL EXPERIMENT [ROUNDS], with MYMONIT_TOKEN. Rounds alternate; prints the medians.
"""

import statistics
import sys
import time

from mymonit import Client
from mymonit._client import reading


def main(url, experiment, rounds="5"):
    client = Client(url)
    parameters = reading(None, None, (), (), None, None, None)
    ways = {
        "Arrow": lambda: client.measures(experiment),
        "CSV": lambda: client._frame_by_csv(experiment, parameters),
    }
    seconds = {name: [] for name in ways}
    rows = {len(way()) for way in ways.values()}
    for _ in range(int(rounds)):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    print(f"{rows} measures:", ", ".join(f"{name} {median:.2f} s" for name, median in medians.items()))
    print(f"CSV takes {medians['CSV'] / medians['Arrow']:.1f} times as long")


main(*sys.argv[1:])
