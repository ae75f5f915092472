"""What the outputs of a detection network mean: the one interface of all layouts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from tracker.detection.image_input import ImageInput
from tracker.inference.network import TensorSpec
from tracker.util.arrays import Float32Array, Int32Array


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The output of a network for one image, before suppression; `N` candidates in any order.

    Values are as the network gave them: boxes may be empty, cross the border, or not be finite.

    Attributes:
        boxes: `(N, 4)` float32 xyxy in pixels of the network's input.
        scores: `(N,)` float32.
        classes: `(N,)` int32.
        masks: `(N, h, w)` float32 in `[0, 1]`, each stretched over its box; `None` where the
            network has none.
    """

    boxes: Float32Array
    scores: Float32Array
    classes: Int32Array
    masks: Float32Array | None = None


class Decoder(Protocol):
    """What `ModelDetector` needs to know about the outputs of a network."""

    @property
    def name(self) -> str:
        """What logs, configurations and errors call it, such as "yolox"."""
        ...

    @property
    def is_suppressed(self) -> bool:
        """Whether the network itself keeps one box an object: nothing need be suppressed."""
        ...

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        ...

    def extra_inputs(
        self, specs: Sequence[TensorSpec], *, input_size: tuple[int, int], count: int = 1
    ) -> list[NDArray[Any]]:
        """Returns what the network is to be given beside the images; mostly nothing.

        Args:
            specs: All its inputs; the first takes the images.
            input_size: Height and width in pixels of the images.
            count: Number of images.

        Raises:
            ModelError: The network has an input that this layout does not know.
        """
        ...

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch.

        Args:
            outputs: The network's outputs.
            specs: Their names and declared shapes, in the same order.
            input_size: Height and width in pixels of the network's input.
            least_score: Candidates that score no more than this may be left out.

        Raises:
            ModelError: The arrays do not have the shapes that the layout needs.
        """
        ...


class Layout(Decoder, Protocol):
    """One way to lay out the outputs of a detection network, recognised by names and shapes."""

    @property
    def outputs_text(self) -> str:
        """The outputs that it needs, in words, for errors."""
        ...

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout.

        Args:
            outputs: What the network gives.
            inputs: What it takes. Without them the answer is whether the layout is possible, as a
                user who names it wants to know; with them, whether it is what names, axes and the
                declared size point to.
        """
        ...

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns the input that the published networks of this layout expect.

        Args:
            spec: Of the network's first input; size, axes and type are read from it where it
                says them.
        """
        ...
