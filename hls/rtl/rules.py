"""What a trigger graph must keep to, so that its RTL is exact and can be compiled.

Asked before anything is traced, which takes minutes for a large graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hls.graph.interface import PROJECT_NAME
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.quantizer import Quantizer
from hls.graph.refusal import Refusal

#: Of Verilog and VHDL both; VHDL has neither two underscores in a row nor one at the end.
_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
#: Of the top module and its bench, and what these use, see `templates/`.
_OWN_NAMES = {
    *("clk", "in_valid", "out_valid", "valid", "events", "results", "core", PROJECT_NAME),
    *("ieee", "std", "work", "std_logic", "std_logic_vector", "rising_edge"),
}
#: Tools read Verilog as SystemVerilog, too.
_VERILOG_KEYWORDS = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic
before begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle
checker class clocking cmos config const constraint context continue cover covergroup coverpoint
cross deassign default defparam design disable dist do edge else end endcase endchecker endclass
endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage
endprimitive endprogram endproperty endspecify endsequence endtable endtask enum event
eventually expect export extends extern final first_match for force foreach forever fork
forkjoin function generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins
implements implies import incdir include initial inout input inside instance int integer
interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new
nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
posedge primitive priority program property protected pull0 pull1 pulldown pullup
pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime
ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always
s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
signed small soft solve specify specparam static string strong strong0 strong1 struct super
supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union
unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
_VHDL_KEYWORDS = """
abs access after alias all and architecture array assert assume assume_guarantee attribute begin
block body buffer bus case component configuration constant context cover default disconnect
downto else elsif end entity exit fairness file for force function generate generic group
guarded if impure in inertial inout is label library linkage literal loop map mod nand new next
nor not null of on open or others out package parameter port postponed procedure process
property protected pure range record register reject release rem report restrict
restrict_guarantee return rol ror select sequence severity shared signal sla sll sra srl strong
subtype then to transport type unaffected units until use variable vmode vprop vunit wait when
while with xnor xor
"""
_KEYWORDS = frozenset(f"{_VERILOG_KEYWORDS} {_VHDL_KEYWORDS}".split())
_OTHER = "choose another name"


def check_rtl(graph: LayerGraph) -> list[Refusal]:
    """What keeps a graph of exact layers from being written as RTL; empty if nothing does."""
    return [*_port_names(graph), *_signs_alone(graph)]


def _port_names(graph: LayerGraph) -> Iterator[Refusal]:
    """Names of inputs and outputs become those of ports, in both languages."""
    seen: set[str] = set()
    for name in (*graph.input_names, *graph.output_names):
        # VHDL knows no upper and lower case.
        small, found = name.lower(), f"'{name}'"
        if not _NAME.fullmatch(name):
            rule = "the name of a port must be one of Verilog and of VHDL"
            yield Refusal(name, rule, found, _OTHER)
        elif small in _KEYWORDS:
            rule = "the name of a port must be no keyword of Verilog or VHDL"
            yield Refusal(name, rule, found, _OTHER)
        elif small in _OWN_NAMES:
            rule = "the name of a port must not be the module's own"
            yield Refusal(name, rule, found, _OTHER)
        elif small in seen:
            rule = "the name of a port must be unique without regard to upper and lower case"
            yield Refusal(name, rule, "two", _OTHER)
        seen.add(small)


def _signs_alone(graph: LayerGraph) -> Iterator[Refusal]:
    """Rounding, as logic, looks at the last bit apart from those above it, the sign among them."""
    for layer in graph.layers:
        if isinstance(layer, Quantizer) and layer.form.signed and layer.form.width < 2:
            yield Refusal(
                layer.name,
                "a signed format must have at least 2 bits for RTL",
                layer.form,
                "use a wider format",
            )
