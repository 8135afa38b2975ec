"""From a trained autoencoder to a trigger in firmware, and the proof that both are the same.

A line knows its room by the verb:

graph      what is computed: exact layers, scores, decision; the trigger graph
cpp        how it is written as an HLS project
rtl        how it is written as Verilog and VHDL
cost       what its logic takes, in milliseconds
synthesis  what its cells and timing are, by the tools that are there
proof      whether all of these agree, every event, every bit
report     what firmware costs and loses, for people
stages     when: a run directory -> the above
scan       many runs: physics against resources
cli        the command `keras-ae`
compiled   programs that simulate a project, in whatever language

Who may import whom is in `tests/test_imports.py`.
"""

from typing import TYPE_CHECKING

from keras_ae.lazy import lazy_names

if TYPE_CHECKING:
    from hls.cpp.convert import convert_trigger_graph
    from hls.cpp.linter import check_model
    from hls.graph.build import build_trigger_graph
    from hls.graph.keras_layers import HardwareInput
    from hls.graph.trigger_graph import TriggerGraph
    from hls.proof.validate import validate_project
    from hls.rtl.write import write_rtl_project

__all__ = [
    "HardwareInput",
    "TriggerGraph",
    "build_trigger_graph",
    "check_model",
    "convert_trigger_graph",
    "validate_project",
    "write_rtl_project",
]

__getattr__ = lazy_names(
    __name__,
    {
        "HardwareInput": "hls.graph.keras_layers",
        "TriggerGraph": "hls.graph.trigger_graph",
        "build_trigger_graph": "hls.graph.build",
        "check_model": "hls.cpp.linter",
        "convert_trigger_graph": "hls.cpp.convert",
        "validate_project": "hls.proof.validate",
        "write_rtl_project": "hls.rtl.write",
    },
)
