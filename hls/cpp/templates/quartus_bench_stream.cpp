// Runs the events of tb_data/tb_input_features.dat through the firmware and writes what comes out to
// tb_data/csim_results.log. hls4ml writes no test bench for firmware of several outputs.

#include <fstream>
#include <iostream>
#include <vector>

#include "firmware/anomaly_trigger.h"

// False at the end of the file.
static bool read_event(std::istream &file, std::vector<double> &event) {
    for (double &value : event)
        file >> value;
    return bool(file);
}

// The numbers of a port of the event, from the one at `first`.
template <class packet_T>
void write_port(const std::vector<double> &event, unsigned first, unsigned size, stream_in<packet_T> &port) {
    for (unsigned i = 0; i < size; i += packet_T::size) {
        packet_T packet;
        for (unsigned j = 0; j < packet_T::size; j++)
            packet[j] = event[first + i + j];
        port.write(packet);
    }
}

template <class packet_T> void print_port(std::ostream &file, unsigned size, stream_out<packet_T> &port) {
    for (unsigned i = 0; i < size; i += packet_T::size) {
        packet_T packet = port.read();
        for (unsigned j = 0; j < packet_T::size; j++)
            file << packet[j].to_double() << " ";
    }
}

int main() {
    std::ifstream fin("tb_data/tb_input_features.dat");
$streams
    std::vector<double> event($n_inputs);
    unsigned n_events = 0;
    for (; read_event(fin, event); n_events++) {
$write_inputs
#ifdef __INTELFPGA_COMPILER__
        ihc_hls_enqueue_noret(&anomaly_trigger, $ports);
#else
        anomaly_trigger($ports);
#endif
    }
#ifdef __INTELFPGA_COMPILER__
    ihc_hls_component_run_all(anomaly_trigger);
#endif
    std::ofstream fout("tb_data/csim_results.log");
    fout.precision(17);
    for (unsigned i = 0; i < n_events; i++) {
$print_outputs
        fout << std::endl;
    }
    std::cout << n_events << " events" << std::endl;
    return 0;
}
