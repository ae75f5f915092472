"""Means of losses, and how fast a training goes."""

import time


class Meter:
    """Means of losses since it was made, and how fast it went."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, float] = {}
        self._images = 0
        self._since = time.monotonic()

    def add(self, losses: dict[str, float], images: int) -> None:
        """Takes the losses of a step over so many images."""
        self._sums = {name: self._sums.get(name, 0.0) + value for name, value in losses.items()}
        self._images += images
        self.count += 1

    def means(self) -> dict[str, float]:
        """Returns the mean of each loss."""
        return {name: value / self.count for name, value in self._sums.items()}

    def images_per_s(self) -> float:
        """Returns the images of a second."""
        return self._images / max(time.monotonic() - self._since, 1e-9)

    def values(self, learning_rate: float) -> dict[str, float]:
        """Returns what the log gets of the steps since: means, learning rate and speed."""
        speed = self.images_per_s()
        return {**self.means(), "learning_rate": learning_rate, "images_per_s": speed}
