-- An event in each cycle with in_valid; its result, with out_valid, is there {{ latency }} rising edges later.
-- Values of a port lie one behind the other, the first in the lowest bits.
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity {{ project }} is port(
    clk: in std_logic;
    in_valid: in std_logic;
{%- for port in inputs %}
    {{ port.name }}: in std_logic_vector({{ port.width - 1 }} downto 0);  -- {{ port.n_values }} x {{ port.format }}
{%- endfor %}
    out_valid: out std_logic;
{%- for port in outputs %}
    {{ port.name }}: out std_logic_vector({{ port.width - 1 }} downto 0){{ ";" if not loop.last }}  -- {{ port.format }}
{%- endfor %}
);
end entity;

architecture rtl of {{ project }} is
    signal valid: std_logic_vector({{ latency - 1 }} downto 0) := (others => '0');
    signal events: std_logic_vector({{ n_input_bits - 1 }} downto 0);
    signal results: std_logic_vector({{ n_output_bits - 1 }} downto 0);
begin
    process(clk) begin
        if rising_edge(clk) then
            valid <= valid({{ latency - 2 }} downto 0) & in_valid;
        end if;
    end process;
    out_valid <= valid({{ latency - 1 }});

    events <= {% for port in inputs | reverse %}{{ port.name }}{{ " & " if not loop.last }}{% endfor %};
    core: entity work.{{ core }} port map(clk => clk, model_inp => events, model_out => results);
{% for port in outputs %}
    {{ port.name }} <= {{ port.vhdl }};
{%- endfor %}
end architecture;
