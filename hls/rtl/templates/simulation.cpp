// Runs the top module cycle by cycle: of a file of cycles, each the valid bit and the input ports in
// 32-bit words, gives for each rising edge the valid bit and the output ports.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "V{{ project }}.h"
#include "verilated.h"

template <class T> void take(T &port, const uint32_t *&words, unsigned n_words) {
    std::memcpy(static_cast<void *>(&port), words, sizeof(T));
    words += n_words;
}

template <class T> void give(const T &port, uint32_t *&words, unsigned n_words) {
    std::memset(words, 0, 4 * n_words);
    std::memcpy(words, static_cast<const void *>(&port), sizeof(T));
    words += n_words;
}

int main(int, char **arguments) {
    std::FILE *cycles = std::fopen(arguments[1], "rb"), *results = std::fopen(arguments[2], "wb");
    if (!cycles || !results)
        return 1;
    VerilatedContext context;
    V{{ project }} top{&context};
    uint32_t before[{{ n_input_words }}], after[{{ n_output_words }}];
    while (std::fread(before, sizeof before, 1, cycles) == 1) {
        const uint32_t *input = before;
        uint32_t *output = after;
        top.in_valid = *input++ & 1;
{%- for port in inputs %}
        take(top.{{ port.name }}, input, {{ port.n_words }});
{%- endfor %}
        top.clk = 0;
        top.eval();
        // What stands at the outputs as the clock rises.
        *output++ = top.out_valid;
{%- for port in outputs %}
        give(top.{{ port.name }}, output, {{ port.n_words }});
{%- endfor %}
        std::fwrite(after, sizeof after, 1, results);
        top.clk = 1;
        top.eval();
    }
    return std::fclose(results);
}
