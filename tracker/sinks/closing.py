"""What sinks have in common: leaving a `with` block closes them."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class ClosesOnExit(ABC):
    """Base of sinks: the end of a `with` block closes them, `complete` unless by an exception."""

    @abstractmethod
    def close(self, *, complete: bool = True) -> None:
        """Finishes the output; calling it again does nothing.

        Args:
            complete: Whether the run finished; false after Ctrl-C or an error.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(complete=exc_type is None)
