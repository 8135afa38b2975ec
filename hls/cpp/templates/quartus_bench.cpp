// Runs the events of tb_data/tb_input_features.dat through the firmware and writes what comes out to
// tb_data/csim_results.log. hls4ml writes no test bench for firmware of several outputs.

#include <fstream>
#include <iostream>
#include <vector>

#include "firmware/anomaly_trigger.h"

template <class data_T, unsigned N> void read_port(std::istream &file, data_T (&port)[N]) {
    for (unsigned i = 0; i < N; i++) {
        double value = 0;
        file >> value;
        port[i] = value;
    }
}

template <class data_T, unsigned N> void write_port(std::ostream &file, const data_T (&port)[N]) {
    for (unsigned i = 0; i < N; i++)
        file << port[i].to_double() << " ";
}

int main() {
    std::ifstream fin("tb_data/tb_input_features.dat");
    std::vector<input_data> inputs;
    while (true) {
        input_data event;
$read_inputs
        if (!fin)
            break;
        inputs.push_back(event);
    }
    std::vector<output_data> outputs(inputs.size());
    for (size_t i = 0; i < inputs.size(); i++) {
#ifdef __INTELFPGA_COMPILER__
        ihc_hls_enqueue(&outputs[i], anomaly_trigger, inputs[i]);
#else
        outputs[i] = anomaly_trigger(inputs[i]);
#endif
    }
#ifdef __INTELFPGA_COMPILER__
    ihc_hls_component_run_all(anomaly_trigger);
#endif
    std::ofstream fout("tb_data/csim_results.log");
    fout.precision(17);
    for (size_t i = 0; i < outputs.size(); i++) {
        const output_data &result = outputs[i];
$write_outputs
        fout << std::endl;
    }
    std::cout << inputs.size() << " events" << std::endl;
    return 0;
}
