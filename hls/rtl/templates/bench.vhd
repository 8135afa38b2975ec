-- Runs the top entity cycle by cycle: of a line of hexadecimal words, the valid bit and the input ports,
-- gives for each rising edge the valid bit and the output ports.
library ieee;
use ieee.std_logic_1164.all;
use std.textio.all;

entity bench is
    generic (cycles_file, results_file: string);
end entity;

architecture simulation of bench is
    signal clk, in_valid, out_valid: std_logic := '0';
{%- for port in inputs + outputs %}
    signal {{ port.name }}: std_logic_vector({{ port.width - 1 }} downto 0);
{%- endfor %}
begin
    top: entity work.{{ project }} port map(
        clk => clk, in_valid => in_valid, out_valid => out_valid
{%- for port in inputs + outputs %}, {{ port.name }} => {{ port.name }}{% endfor %});

    process
        file cycles: text open read_mode is cycles_file;
        file results: text open write_mode is results_file;
        variable taken, given: line;
        variable valid: std_logic_vector(31 downto 0);
{%- for port in inputs %}
        variable in_{{ port.name }}: std_logic_vector({{ 32 * port.n_words - 1 }} downto 0);
{%- endfor %}
{%- for port in outputs %}
        variable out_{{ port.name }}: bit_vector({{ 32 * port.n_words - 1 }} downto 0);
{%- endfor %}
    begin
        while not endfile(cycles) loop
            readline(cycles, taken);
            hread(taken, valid);
            in_valid <= valid(0);
{%- for port in inputs %}
            hread(taken, in_{{ port.name }});
            {{ port.name }} <= in_{{ port.name }}({{ port.width - 1 }} downto 0);
{%- endfor %}
            clk <= '0';
            wait for 1 ns;
            -- What stands at the outputs as the clock rises.
            if out_valid = '1' then write(given, string'("00000001")); else write(given, string'("00000000")); end if;
{%- for port in outputs %}
            out_{{ port.name }} := (others => '0');
            out_{{ port.name }}({{ port.width - 1 }} downto 0) := to_bitvector({{ port.name }});
            write(given, ' ');
            hwrite(given, out_{{ port.name }});
{%- endfor %}
            writeline(results, given);
            clk <= '1';
            wait for 1 ns;
        end loop;
        wait;
    end process;
end architecture;
