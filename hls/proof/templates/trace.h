// Records what each layer gives, for the search of the first that differs; not part of any project.
#ifndef TRACE_H_
#define TRACE_H_

#include <cstdio>
#include <map>
#include <string>

namespace trace {

inline void record(const char *layer, double value) {
    static std::map<std::string, std::FILE *> files;
    std::FILE *&file = files[layer];
    if (!file)
        file = std::fopen((std::string(TRACE_DIR) + "/" + layer + ".bin").c_str(), "ab");
    std::fwrite(&value, sizeof value, 1, file);
}

template <class value_T> void save(const char *layer, value_T *values, unsigned n_values) {
    for (unsigned i = 0; i < n_values; i++)
        record(layer, values[i].to_double());
}

// A stream is read and filled again.
template <class stream_T> auto save(const char *layer, stream_T &values, unsigned n_values) -> decltype(values.read(), void()) {
    for (unsigned i = 0; i < n_values;) {
        auto packet = values.read();
        for (unsigned j = 0; j < packet.size; j++, i++)
            record(layer, packet[j].to_double());
        values.write(packet);
    }
}

} // namespace trace

#endif
