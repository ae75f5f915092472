"""The loop that changes inputs, runs a target on them, and reduces an input that fails.

A target fails where its code raises anything but an error of the tree of `tracker.errors` with one
printable line, warns, takes too long, or a check of the target does not hold. Inputs that are
refused at a line of code that no input was refused at before are kept, and changed further.
"""

import json
import logging
import random
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.mutators import Mutate
from tracker.errors import LONGEST_MESSAGE, TrackerError

_MOST_KEPT = 3000
_PACKAGE = str(Path(__file__).parents[2] / "tracker")


class TooSlowError(BaseException):
    """A case exceeded its time limit; no `except Exception` may catch it."""


@dataclass(frozen=True)
class Target:
    """Code under test, with its inputs.

    Attributes:
        name: Name on the command line.
        seeds: Returns valid inputs.
        mutate: Returns a changed input.
        run: Runs the code on an input in a scratch folder; returns what distinguishes the result
            from others, or `None`.
        join: Joins parts of an input, for its reduction; `None` for bytes.
        longest_cpu_s: Time limit of a case in CPU seconds.
        longest_s: The same in seconds. Beyond it, a case with little CPU time waits for something,
            or the process was stopped.
        short_executions: Executions of the short run among the tests.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    mutate: Mutate
    run: Callable[[bytes, Path], object]
    is_scene: bool = False
    longest_cpu_s: float = 10.0
    longest_s: float = 300.0
    short_executions: int = 1000


@dataclass(frozen=True)
class Find:
    """An input that fails."""

    target: str
    seed: int
    execution: int
    problem: str
    data: bytes


@dataclass
class Campaign:
    """Executions of one target with one seed."""

    target: Target
    seed: int
    folder: Path
    executions: int = 0
    refused: int = 0
    finds: list[Find] = field(default_factory=list)
    watch: Callable[[bytes], None] | None = None

    def run(self, *, seconds: float | None = None, executions: int | None = None) -> None:
        """Runs for CPU seconds or a number of executions, or up to the fifth find."""
        rng = random.Random(f"{self.target.name}/{self.seed}")
        corpus = list(self.target.seeds())
        for data in corpus:
            problem, _ = self._case(data)
            if problem or self.refused:
                self._report(data, problem or "a valid input is refused")
                return
        known: set[object] = set()
        problems: set[str] = set()
        start, first = time.process_time(), self.executions
        while len(self.finds) < 5:
            if seconds is not None and time.process_time() - start > seconds:
                return
            if executions is not None and self.executions - first >= executions:
                return
            data = rng.choice(corpus)
            for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
                data = self.target.mutate(rng, data)
            problem, signature = self._case(data)
            if problem and problem not in problems:
                problems.add(problem)
                self._report(data, problem)
            elif signature is not None and signature not in known:
                known.add(signature)
                if len(corpus) < _MOST_KEPT and len(data) < 200_000:
                    corpus.append(data)

    def _case(self, data: bytes) -> tuple[str, object]:
        self.executions += 1
        if self.watch is not None:
            self.watch(data)
        problem, signature, is_refused = outcome(self.target, data, self.folder)
        self.refused += is_refused
        return problem, signature

    def _report(self, data: bytes, problem: str) -> None:
        kind = problem.splitlines()[0].split(":")[0]

        def fails(other: bytes) -> bool:
            found, _, _ = outcome(self.target, other, self.folder)
            return found.startswith(kind)

        small = minimised(data, fails, is_scene=self.target.is_scene)
        final, _, _ = outcome(self.target, small, self.folder)
        find = Find(self.target.name, self.seed, self.executions, final or problem, small)
        self.finds.append(find)


def outcome(target: Target, data: bytes, folder: Path) -> tuple[str, object, bool]:
    """Returns the problem, empty if there is none; a mark of the result; whether it was refused."""
    messages = _Messages()
    try:
        with _limits(target), messages:
            signature = target.run(data, folder)
    except TrackerError as error:
        problem = _problem_of(f"{type(error).__name__}", str(error).replace(str(folder), ""))
        return problem or messages.problem, (type(error).__name__, *_lines(error)), True
    except TooSlowError as error:
        return f"TooSlow: {error}", None, False
    except Exception as error:
        where = "".join(traceback.format_exception(error)[-3:])
        return f"{type(error).__name__}: {error}\n{where}", None, False
    return messages.problem, signature, False


class _Messages(logging.Handler):
    """Collects warnings that the program logs, and says what is wrong with one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.problem = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.problem = self.problem or _problem_of("log", record.getMessage())

    def __enter__(self) -> "_Messages":
        logging.getLogger("tracker").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("tracker").removeHandler(self)


def checked_message(error: TrackerError, folder: Path, *, longest: int = LONGEST_MESSAGE) -> str:
    """Returns the message of an error that a target expects, without the scratch folder's name.

    Raises:
        AssertionError: It is not one line, or longer than so many characters.
    """
    text = str(error).replace(str(folder), "")
    assert text, "an empty message"
    assert len(text.splitlines()) == 1, text
    assert len(text) <= longest, text
    return text


def _problem_of(kind: str, text: str) -> str:
    if len(text.splitlines()) != 1:
        return f"message of {kind}: expected one line, got {text!r}"
    if len(text) > LONGEST_MESSAGE:
        return f"message of {kind}: {len(text)} characters: {text[:200]!r}"
    return ""


def _lines(error: BaseException) -> Iterator[tuple[str, int]]:
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.startswith(_PACKAGE):
            yield name[len(_PACKAGE) :], trace.tb_lineno
        trace = trace.tb_next


@contextmanager
def _limits(target: Target) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGPROF:
            raise TooSlowError(f"more than {target.longest_cpu_s} s of CPU time")
        used = time.process_time() - start_s
        raise TooSlowError(f"more than {target.longest_s} s, {used:.1f} s of CPU time among them")

    start_s = time.process_time()

    old = [signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, target.longest_cpu_s)
    signal.setitimer(signal.ITIMER_REAL, target.longest_s)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), old, strict=True):
            signal.signal(number, handler)


def minimised(data: bytes, fails: Callable[[bytes], bool], *, is_scene: bool) -> bytes:
    """Returns a smaller input that still fails: fewer frames and boxes, lines and characters."""
    until = time.monotonic() + 60
    if is_scene:
        scene = json.loads(data)
        frames = _fewer(scene["frames"], lambda f: fails(_dumped({**scene, "frames": f})), until)
        for number in range(len(frames)):

            def with_rows(rows: list[Any], number: int = number) -> bytes:
                changed = [
                    *frames[:number],
                    {**frames[number], "rows": rows},
                    *frames[number + 1 :],
                ]
                return _dumped({**scene, "frames": changed})

            rows = _fewer(frames[number]["rows"], lambda r, w=with_rows: fails(w(r)), until)
            frames[number] = {**frames[number], "rows": rows}
        return _dumped({**scene, "frames": frames})
    lines = _fewer(data.split(b"\n"), lambda p: fails(b"\n".join(p)), until)
    data = b"\n".join(lines)
    if len(data) > 20_000:
        return data
    pieces = [data[n : n + 1] for n in range(len(data))]
    return b"".join(_fewer(pieces, lambda p: fails(b"".join(p)), until))


def _dumped(scene: dict[str, Any]) -> bytes:
    return json.dumps(scene).encode()


def _fewer(parts: list[Any], fails: Callable[[list[Any]], bool], until: float) -> list[Any]:
    """Returns a part of a list that still fails (delta debugging)."""
    size = len(parts) // 2
    while size >= 1:
        place = 0
        while place < len(parts):
            if time.monotonic() > until:
                return parts
            rest = parts[:place] + parts[place + size :]
            if rest != parts and fails(rest):
                parts = rest
            else:
                place += size
        size //= 2
    return parts
