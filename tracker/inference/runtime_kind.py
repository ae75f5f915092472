"""Names of the runtimes that execute a detector's network."""

from enum import Enum


class RuntimeKind(Enum):
    """What executes the network."""

    AUTO = "auto"
    """For networks of this package XLA where TensorFlow sees a GPU, else LiteRT; for ONNX files of
    others the faster of ONNX Runtime and OpenVINO; for all others the runtime of the format."""
    LITERT = "litert"
    """LiteRT on the CPU: starts in a fraction of a second."""
    XLA = "xla"
    """Keras, compiled as a whole by XLA: for GPUs; it works on CPUs, slowly."""
    ONNX_RUNTIME = "onnxruntime"
    """ONNX Runtime, for ONNX files (extra `onnx`)."""
    OPENVINO = "openvino"
    """OpenVINO on the CPU (extra `openvino`)."""
