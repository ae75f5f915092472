"""What loaded networks of all runtimes share: their facts, and `run` with checked arrays."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from tracker.inference.checked_call import Arrays, run_network
from tracker.inference.network import TensorSpec
from tracker.inference.stored_names import StoredFacts


class LoadedNetwork(ABC):
    """A `Network` whose subclass sets these facts and calls its runtime in `_call`.

    Attributes:
        _what: Name of the network in messages.
        _inputs: Specifications of the inputs.
        _outputs: Specifications of the outputs.
        _digests: SHA-256 of the files that define it, by name.
        _stored: Class names and task that its file stores.
    """

    _what: str
    _inputs: tuple[TensorSpec, ...]
    _outputs: tuple[TensorSpec, ...]
    _digests: Mapping[str, str]
    _stored: StoredFacts

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the inputs."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the outputs."""
        return self._outputs

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the files that define it, by name; a folder or a handle counts as one file."""
        return self._digests

    @property
    def stored(self) -> StoredFacts:
        """Class names and task, as far as its file stores them."""
        return self._stored

    def run(self, arrays: Arrays) -> list[NDArray[Any]]:
        """Returns the outputs, in the order of `outputs`; see `Network.run`.

        Raises:
            ModelError: The arrays do not fit the inputs, or the network fails.
        """
        return run_network(
            self._call, arrays, what=self._what, inputs=self._inputs, outputs=self._outputs
        )

    @abstractmethod
    def _call(self, arrays: Arrays) -> list[NDArray[Any]]:
        """Returns the outputs of one call of the runtime; the arrays fit the inputs."""
