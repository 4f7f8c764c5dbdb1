"""Runtimes with a precision, such as "onnx:int8", that `htnet evaluate runtimes` compares."""

from collections.abc import Callable, Sequence

from htnet.calib.engines.graph_inputs import FacePair, feeds
from htnet.engine.errors import UsageError
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import PRECISIONS, Graph
from htnet.engine.runtimes.onnx import OnnxRuntime
from htnet.engine.runtimes.onnx_export import to_onnx
from htnet.engine.runtimes.quantize import quantise
from htnet.engine.runtimes.select import RUNTIMES, device_for, open_runtime

RuntimeSpec = tuple[str, str]
"""A runtime's name and the network's precision in it."""
CPU_SPECS = "torch:fp32,torch:fp16,torch:bf16,onnx:fp32,onnx:fp16,onnx:int8"
"""All specs that run on a CPU."""
_RANGED = 48


def parse_specs(text: str) -> list[RuntimeSpec]:
    """Parse specs such as "torch:fp32,onnx:int8"; raises `UsageError` for unknown ones."""
    specs = []
    for each in (part.strip() for part in text.split(",")):
        runtime, _, precision = each.partition(":")
        if runtime not in RUNTIMES or precision not in PRECISIONS:
            raise UsageError(
                f"expected ways such as {CPU_SPECS}, of the runtimes {', '.join(RUNTIMES)} and the "
                f"precisions {', '.join(PRECISIONS)}; got {each!r}."
            )
        specs.append((runtime, precision))
    return specs


def spec_opener(
    pairs: Sequence[FacePair], *, registered: bool, device: str, say: Callable[[str], None]
) -> Callable[[str, Graph], Runtime]:
    """Return a function that opens a graph in a runtime by its name, on ``device``.

    ONNX models are exported anew and not stored. The ranges of an int8 model are measured on up to
    48 of ``pairs``, evenly spaced.
    """
    ranged = pairs[:: -(-len(pairs) // _RANGED) or 1]

    def opened(name: str, graph: Graph) -> Runtime:
        if name != "onnx":
            return open_runtime(name, graph, device_for(name, device), say)
        model = to_onnx(graph)
        if graph.precision == "int8":
            model = quantise(model, graph, feeds(graph, ranged, registered=registered))
        return OnnxRuntime(model, graph, device)

    return opened
