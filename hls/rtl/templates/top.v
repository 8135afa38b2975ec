// An event in each cycle with in_valid; its result, with out_valid, is there {{ latency }} rising edges later.
// Values of a port lie one behind the other, the first in the lowest bits.
`timescale 1ns / 1ps
`default_nettype none

module {{ project }} (
    input wire clk,
    input wire in_valid,
{%- for port in inputs %}
    input wire [{{ port.width - 1 }}:0] {{ port.name }},  // {{ port.n_values }} x {{ port.format }}
{%- endfor %}
    output wire out_valid,
{%- for port in outputs %}
    output wire [{{ port.width - 1 }}:0] {{ port.name }}{{ "," if not loop.last }}  // {{ port.format }}
{%- endfor %}
);

    reg [{{ latency - 1 }}:0] valid;
    initial valid = 0;
    wire [{{ n_output_bits - 1 }}:0] results;

    always @(posedge clk) valid <= {valid[{{ latency - 2 }}:0], in_valid};
    assign out_valid = valid[{{ latency - 1 }}];

    {{ core }} core (
        .clk(clk),
        .model_inp({ {%- for port in inputs | reverse %}{{ port.name }}{{ ", " if not loop.last }}{% endfor -%} }),
        .model_out(results)
    );
{% for port in outputs %}
    assign {{ port.name }} = {{ port.verilog }};
{%- endfor %}

endmodule

`default_nettype wire
