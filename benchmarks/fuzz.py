"""Changed inputs and random scenes for every reader and algorithm, and what they find.

    python benchmarks/fuzz.py --list
    python benchmarks/fuzz.py --only mot,csv --seconds 60 --seed 0
    python benchmarks/fuzz.py --replay finds/csv-0-812 --only csv

Each target of `tests/fuzz` runs for some CPU seconds with one seed in a process of its own, whose
memory is limited to 2 GB above its start. It prints the executions and CPU seconds of each, and for
each find its seed, its execution and the file of a reduced input; the exit code is 1 if there is
one. With `--rounds 0` it goes on with the next seeds until it is killed. `--totals FILE` adds up
seconds and executions in a JSON file, `--report FILE` prints them as a table.

Only the target `ncnn-build` starts TensorFlow; no target needs another machine.
"""

import argparse
import fcntl
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_MORE_BYTES = 2 << 30
_SLOWER = 60
"""A process that takes this many times its CPU seconds, on a busy machine, hangs."""


@dataclass(frozen=True)
class Done:
    """What one process did."""

    target: str
    seed: int
    cpu_s: float
    executions: int
    refused: int
    finds: tuple[dict[str, Any], ...]


def one_target(name: str, seed: int, seconds: float, finds: Path) -> None:
    """Runs a target in this process, and prints what it did as JSON."""
    from tests.fuzz.engine import Campaign
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as folder:
        current = finds / f"current-{name}-{seed}-{os.getpid()}"
        campaign = Campaign(TARGETS[name], seed, Path(folder), watch=current.write_bytes)
        _limit_memory()
        campaign.run(seconds=seconds)
        current.unlink(missing_ok=True)
    found = []
    for find in campaign.finds:
        path = finds / f"{name}-{seed}-{find.execution}"
        path.write_bytes(find.data)
        found.append({"problem": find.problem, "execution": find.execution, "input": str(path)})
    done = {"executions": campaign.executions, "refused": campaign.refused, "finds": found}
    sys.__stdout__.write(f"\n@done {json.dumps(done)}\n")
    sys.__stdout__.flush()
    os._exit(0)  # threads of servers and streams are not waited for


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_BYTES,) * 2)


def process_of(name: str, seed: int, seconds: float, finds: Path) -> Done:
    """Runs a target in a new process."""
    words = [sys.executable, __file__, "--here", "--only", name, "--seed", str(seed)]
    words += ["--seconds", str(seconds), "--finds", str(finds)]
    before = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        pid, status, usage = _ended(child.pid, before + _SLOWER * (seconds + 60))
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    child.returncode = os.waitstatus_to_exitcode(status)  # it was waited for here
    cpu_s = usage.ru_utime + usage.ru_stime
    lines = [line for line in text.splitlines() if line.startswith("@done ")]
    if lines:
        found = json.loads(lines[-1].removeprefix("@done "))
        counts = found["executions"], found["refused"]
        return Done(name, seed, cpu_s, *counts, tuple(found["finds"]))
    current = finds / f"current-{name}-{seed}-{pid}"
    problem = f"the process ended with {child.returncode}: {text[-1500:]}"
    find = {"problem": problem, "execution": -1, "input": str(current)}
    return Done(name, seed, cpu_s, 0, 0, (find,))


def _ended(pid: int, deadline: float) -> tuple[int, int, resource.struct_rusage]:
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return found, status, usage
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            return os.wait4(pid, 0)
        time.sleep(0.05)


def add_to_totals(path: Path, done: Done) -> None:
    """Adds what a process did to a JSON file, which several processes may write."""
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        totals = json.loads(text) if text else {}
        row = totals.setdefault(
            done.target, {"cpu_s": 0.0, "executions": 0, "refused": 0, "seeds": [], "finds": []}
        )
        row["cpu_s"] = round(row["cpu_s"] + done.cpu_s, 3)
        row["executions"] += done.executions
        row["refused"] += done.refused
        row["seeds"].append(done.seed)
        row["finds"] += [{"seed": done.seed, **find} for find in done.finds]
        file.truncate(0)
        file.write(json.dumps(totals, indent=1))


def table_of(path: Path) -> str:
    """Returns the totals as a table in Markdown."""
    totals = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        "| target | seeds | CPU seconds | executions | refused | finds |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name, row in sorted(totals.items()):
        seeds = sorted(set(row["seeds"]))
        shown = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
        counts = f"{row['cpu_s']:.0f} | {row['executions']:,} | {row['refused']:,}"
        lines.append(f"| `{name}` | {shown} | {counts} | {len(row['finds'])} |")
    seconds = sum(row["cpu_s"] for row in totals.values())
    executions = sum(row["executions"] for row in totals.values())
    lines.append(f"| together | | {seconds:.0f} ({seconds / 3600:.2f} h) | {executions:,} | | |")
    return "\n".join(lines)


def replay(name: str, path: Path) -> int:
    """Runs a target on one input; returns the exit code."""
    from tests.fuzz.engine import outcome
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as folder:
        problem, mark, is_refused = outcome(TARGETS[name], path.read_bytes(), Path(folder))
    print(problem or f"{'refused' if is_refused else 'read'}: {mark}")
    return 1 if problem else 0


def campaign(names: list[str], options: argparse.Namespace) -> int:
    """Runs targets round after round; returns the number of finds."""
    finds = 0
    number = 0
    while not options.rounds or number < options.rounds:
        seed = options.seed + number
        number += 1
        with ThreadPoolExecutor(options.workers) as pool:
            work = [
                pool.submit(process_of, name, seed, options.seconds, options.finds)
                for name in names
            ]
            for one in work:
                done = one.result()
                finds += len(done.finds)
                _print(done)
                if options.totals is not None:
                    add_to_totals(options.totals, done)
    return finds


def _print(done: Done) -> None:
    rate = done.executions / max(done.cpu_s, 1e-9)
    print(
        f"{done.target}: seed {done.seed}, {done.executions} executions in {done.cpu_s:.1f} CPU s "
        f"({rate:.0f}/s), {done.refused} refused, {len(done.finds)} finds",
        flush=True,
    )
    for find in done.finds:
        print(f"  execution {find['execution']}, input {find['input']}\n  {find['problem']}")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", help="names of targets, separated by commas")
    parser.add_argument("--seconds", type=float, default=10.0, help="CPU seconds of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1, help="0 for no end")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--finds", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-finds")
    parser.add_argument("--totals", type=Path)
    parser.add_argument("--report", type=Path, help="prints the totals of this file, and ends")
    parser.add_argument("--replay", type=Path, help="one input, for the target of --only")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    sys.path.insert(0, str(ROOT))
    options = parsed()
    if options.report is not None:
        print(table_of(options.report))
        return
    options.finds = options.finds.resolve()
    options.finds.mkdir(parents=True, exist_ok=True)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if options.here:
        one_target(options.only, options.seed, options.seconds, options.finds)
    from tests.fuzz.targets import TARGETS

    names = options.only.split(",") if options.only else list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        raise SystemExit(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if options.list:
        print("\n".join(names))
        return
    if options.replay is not None:
        raise SystemExit(replay(names[0], options.replay))
    raise SystemExit(1 if campaign(names, options) else 0)


if __name__ == "__main__":
    main()
