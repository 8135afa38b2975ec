#ifndef NNET_TRIGGER_STREAM_H_
#define NNET_TRIGGER_STREAM_H_

// The functions of nnet_trigger.h on streams of packets; scores are summed packet by packet.

#include "hls_stream.h"
#include "nnet_trigger.h"

namespace nnet {

template <class data_T, class res_T, class offset_T, class scale_T, typename CONFIG_T>
void scale_objects(hls::stream<data_T> &data, hls::stream<res_T> &res, offset_T offset[CONFIG_T::n_in],
                   scale_T scale[CONFIG_T::n_in]) {
    data_T packet = data.read();
    typename data_T::value_type objects[CONFIG_T::n_in];
    typename res_T::value_type scaled[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=objects complete
    #pragma HLS ARRAY_PARTITION variable=scaled complete
Unpack:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        objects[i] = packet[i];
    }
    scale_objects<typename data_T::value_type, typename res_T::value_type, offset_T, scale_T, CONFIG_T>(
        objects, scaled, offset, scale);
    res_T result;
    PRAGMA_DATA_PACK(result)
Pack:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        result[i] = scaled[i];
    }
    res.write(result);
}

template <class data_T, class res_T, class table_T, typename CONFIG_T>
void look_up(hls::stream<data_T> &data, hls::stream<res_T> &res, table_T table[CONFIG_T::table_size]) {
LookUp:
    for (unsigned i = 0; i < CONFIG_T::n_in / res_T::size; i++) {
        #pragma HLS PIPELINE
        data_T packet = data.read();
        res_T result;
        PRAGMA_DATA_PACK(result)
    Packet:
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            result[j] = look_up_one<typename data_T::value_type, table_T, CONFIG_T>(packet[j], table);
        }
        res.write(result);
    }
}

// A packet is a pixel.
template <class data_T, class res_T, typename CONFIG_T> void upsample(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    data_T row[CONFIG_T::width];
Rows:
    for (unsigned i = 0; i < CONFIG_T::height; i++) {
    Read:
        for (unsigned j = 0; j < CONFIG_T::width; j++) {
            #pragma HLS PIPELINE
            row[j] = data.read();
        }
    Repeat:
        for (unsigned j = 0; j < CONFIG_T::rows * CONFIG_T::width * CONFIG_T::columns; j++) {
            #pragma HLS PIPELINE
            data_T packet = row[j / CONFIG_T::columns % CONFIG_T::width];
            res_T result;
            PRAGMA_DATA_PACK(result)
        Packet:
            for (unsigned k = 0; k < res_T::size; k++) {
                #pragma HLS UNROLL
                result[k] = packet[k];
            }
            res.write(result);
        }
    }
}

template <class term, class x_T, class res_T, typename CONFIG_T>
void score(hls::stream<x_T> &x, hls::stream<res_T> &res) {
    typename res_T::value_type sum = 0;
Score:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE
        x_T packet = x.read();
    Packet:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            term::add(packet[j], sum);
        }
    }
    res_T result;
    PRAGMA_DATA_PACK(result)
    result[0] = sum;
    res.write(result);
}

template <class term, class x_T, class y_T, class res_T, typename CONFIG_T>
void score(hls::stream<x_T> &x, hls::stream<y_T> &y, hls::stream<res_T> &res) {
    typename res_T::value_type sum = 0;
Score:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE
        x_T x_packet = x.read();
        y_T y_packet = y.read();
    Packet:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            term::add(x_packet[j], y_packet[j], sum);
        }
    }
    res_T result;
    PRAGMA_DATA_PACK(result)
    result[0] = sum;
    res.write(result);
}

template <class score_T, class res_T, class threshold_T, typename CONFIG_T>
void above_threshold(hls::stream<score_T> &score, hls::stream<res_T> &res, threshold_T threshold[1]) {
    score_T packet = score.read();
    res_T result;
    PRAGMA_DATA_PACK(result)
    result[0] = packet[0] > threshold[0] ? 1 : 0;
    res.write(result);
}

template <class score_T, class threshold_T, class res_T, typename CONFIG_T>
void above_input(hls::stream<score_T> &score, hls::stream<threshold_T> &threshold, hls::stream<res_T> &res) {
    score_T packet = score.read();
    threshold_T limit = threshold.read();
    res_T result;
    PRAGMA_DATA_PACK(result)
    result[0] = packet[0] > limit[0] ? 1 : 0;
    res.write(result);
}

} // namespace nnet

#endif
