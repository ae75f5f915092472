"""Keras models of darknet networks (YOLOv2 to YOLOv4, tiny and scaled ones).

Layers are named by kind and darknet's index ("conv_12"); the model can be saved as `.keras`.
Keras is loaded with the first network, not with this module.
"""

from dataclasses import dataclass
from os import PathLike
from typing import Any

from tracker.models.darknet.cfg import read_darknet_cfg
from tracker.models.darknet.shapes import check_input_size, infer_shapes, network_stride
from tracker.models.darknet.weights import read_darknet_weights, split_weights
from tracker.models.heads import YoloHead


@dataclass(frozen=True, slots=True, eq=False)
class DarknetNetwork:
    """A network and the parameters of its decoding.

    Attributes:
        model: Input float32 `(B, H, W, 3)` RGB in `[0, 1]`; `model.outputs` has one raw map
            `(B, h, w, A * (5 + C))` per head, before any activation of the head. Called, a Keras
            model with a single output returns it without a list; `raw_maps` always returns a list.
        heads: The heads in the order of the outputs.
        class_count: `C`.
        input_height: `H` in pixels.
        input_width: `W` in pixels.
        stride: Largest downsampling factor; input sizes are multiples of it.
    """

    model: Any
    heads: tuple[YoloHead, ...]
    class_count: int
    input_height: int
    input_width: int
    stride: int

    def raw_maps(self, images: Any) -> list[Any]:
        """Returns one raw map `(B, h, w, A * (5 + C))` per head, in the order of `heads`.

        Args:
            images: `(B, H, W, 3)` float32 RGB in `[0, 1]`, an array or a tensor.
        """
        result = self.model(images)
        return [result] if len(self.heads) == 1 else list(result)


def load_darknet(
    cfg_path: str | PathLike[str],
    weights_path: str | PathLike[str],
    *,
    input_size: tuple[int, int] | None = None,
) -> DarknetNetwork:
    """Returns the network of a cfg file with the weights of a weights file.

    Args:
        cfg_path: darknet cfg file.
        weights_path: darknet weights file trained with it.
        input_size: Height and width in pixels; `None` uses the cfg's own.

    Raises:
        ModelError: A file is missing or malformed, they do not fit each other, or the input size
            is not a multiple of the network's stride.
    """
    from tracker.models.darknet.network import assign_weights, build_darknet

    cfg = read_darknet_cfg(cfg_path)
    height, width = input_size or (cfg.height, cfg.width)
    stride = network_stride(cfg)
    check_input_size(cfg, height=height, width=width, stride=stride)
    shapes = infer_shapes(cfg, height=height, width=width)
    weights = split_weights(read_darknet_weights(weights_path), cfg, shapes)
    model = build_darknet(cfg, shapes, height=height, width=width)
    assign_weights(model, weights)
    return DarknetNetwork(model, cfg.heads, cfg.heads[0].class_count, height, width, stride)
