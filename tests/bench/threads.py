"""How long one default iteration takes alone, and while one or three more processes train beside it.

    python tests/bench/threads.py            # two minutes; nothing else should run beside it

Each process is what a notebook's kernel is: it imports ganlib and trains, with no setting of its own.
Medians over rounds; prints a table and, last, one line of JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

WORKER = """
import sys, time
from itertools import islice
import ganlib
from ganlib import data, training
run = training.steps(training.start("cpu"), data.load("mnist"))
list(islice(run, 20))
print("ready", flush=True)
input()
began, count = time.perf_counter(), 0
while (seconds := time.perf_counter() - began) < float(sys.argv[1]):
    next(run)
    count += 1
print(1000 * seconds / count)
"""


def milliseconds(processes, seconds):
    """Of one iteration: what each of so many processes that train at the same time measures."""
    threads = ("OMP_", "GOMP_", "MKL_")  # what a shell may have set
    environment = {name: value for name, value in os.environ.items() if not name.startswith(threads)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    command = [sys.executable, "-c", WORKER, str(seconds)]
    running = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    for process in running:
        process.stdout.readline()
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    return [float(process.communicate()[0]) for process in running]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of training, a round and number")
    options = parser.parse_args()
    counts = {"alone": 1, "two": 2, "four": 4}
    measured = {name: [] for name in counts}
    for _ in range(options.rounds):
        for name, processes in counts.items():
            measured[name] += milliseconds(processes, options.seconds)
    ms = {name: statistics.median(values) for name, values in measured.items()}
    for name, values in measured.items():
        print(f"{name:6s} {ms[name]:6.1f} ms an iteration ({min(values):.1f} … {max(values):.1f})")
    result = {f"{name}_ms": ms[name] for name in counts}
    result |= {f"ratio_{name}": ms[name] / ms["alone"] for name in ("two", "four")}
    print(json.dumps({name: round(value, 2) for name, value in result.items()}))


if __name__ == "__main__":
    main()
