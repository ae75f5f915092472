"""The embedder that computes each crop's embedding with an appearance network of this package."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tracker.detections import Detections
from tracker.embedding.batch_runner import BatchRunner
from tracker.embedding.crops import cut_crops
from tracker.frames import Frame
from tracker.models.files.digest import file_digest
from tracker.models.files.reid_file import REID_FILE, read_reid_description
from tracker.models.files.tflite import SUFFIX, read_exported
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.registry.builtin import embedder_files


class CropEmbedder:
    """Embeds detections from crops of their boxes.

    Args:
        runner: Runs the network.
        digests: SHA-256 by file name of the files that define it.

    Example:
        ```python
        embedder = CropEmbedder.load_builtin()
        pipeline = Pipeline(detector=..., embedder=embedder, tracker=DeepSort())
        ```
    """

    def __init__(self, runner: BatchRunner, *, digests: Mapping[str, str]) -> None:
        self._runner = runner
        self._digests = MappingProxyType(dict(digests))

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        threads: int | None = None,
        cache_dir: Path | None = None,
    ) -> Self:
        """Returns the embedder of a file that `tracker train reid` or `tracker export` wrote.

        Args:
            path: The `.keras` or `.tflite` file.
            threads: CPU threads; `None` = one for each core that this process may use.
            cache_dir: Folder of exported networks; `None` takes the platform's.

        Raises:
            ConfigError: Fewer threads than one.
            ModelError: The file is missing, damaged, or no appearance network of this package.
            DependencyError: LiteRT, or TensorFlow where an export is needed, cannot be loaded.
        """
        path = Path(path)
        if path.suffix == SUFFIX:
            REID_FILE.parse(path, read_exported(path, what="embedder").text)
        else:
            read_reid_description(path)
        runner = BatchRunner(path, threads=threads, cache_dir=cache_dir)
        return cls(runner, digests={path.name: file_digest(path)})

    @classmethod
    def load_builtin(cls, *, threads: int | None = None) -> Self:
        """Returns the embedder of this package.

        Args:
            threads: CPU threads; `None` = one for each core that this process may use.

        Raises:
            ConfigError: Fewer threads than one.
            DependencyError: LiteRT cannot be loaded.
        """
        return cls.load(embedder_files().exported, threads=threads)

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the files that define the network."""
        return self._digests

    @property
    def dimension(self) -> int:
        """`D`, values of an embedding."""
        return self._runner.dimension

    def embed(self, frame: Frame, detections: Detections) -> Detections:
        """Returns the detections, in their order, with embeddings `(N, D)`."""
        crops = cut_crops(frame.image, detections.boxes, height=CROP_HEIGHT, width=CROP_WIDTH)
        return detections.with_embeddings(self._runner.run(crops))
