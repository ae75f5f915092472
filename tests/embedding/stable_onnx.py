"""ONNX networks without `MeanVarianceNormalization`, which ONNX Runtime divides by zero in.

Channels of one value alone become NaN there (github.com/microsoft/onnxruntime/issues/10228).
person-reidentification-retail-0267 has such channels in every crop.
"""

from pathlib import Path


def write_stable(source: Path, out: Path) -> Path:
    """Writes the network with `(x - mean) / (sqrt(mean((x - mean)^2)) + 1e-9)` in its place."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(source))
    nodes = []
    for node in model.graph.node:
        if node.op_type != "MeanVarianceNormalization":
            nodes.append(node)
            continue
        axes = next(list(a.ints) for a in node.attribute if a.name == "axes")
        x, y = node.input[0], node.output[0]
        parts = [
            ("ReduceMean", [x], "mean", {"axes": axes, "keepdims": 1}),
            ("Sub", [x, f"{y}_mean"], "centred", {}),
            ("Mul", [f"{y}_centred", f"{y}_centred"], "square", {}),
            ("ReduceMean", [f"{y}_square"], "variance", {"axes": axes, "keepdims": 1}),
            ("Sqrt", [f"{y}_variance"], "deviation", {}),
            ("Add", [f"{y}_deviation", "stable_epsilon"], "divisor", {}),
        ]
        nodes += [helper.make_node(kind, given, [f"{y}_{to}"], **a) for kind, given, to, a in parts]
        nodes.append(helper.make_node("Div", [f"{y}_centred", f"{y}_divisor"], [y]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    epsilon = numpy_helper.from_array(np.array(1e-9, np.float32), "stable_epsilon")
    model.graph.initializer.append(epsilon)
    onnx.save(model, str(out))
    return out
