"""What all that is closed without an argument has in common: leaving a `with` block closes it."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Base of sources and logs: the end of a `with` block closes them."""

    @abstractmethod
    def close(self) -> None:
        """Releases what is held; calling it again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
