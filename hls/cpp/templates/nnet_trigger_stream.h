#ifndef NNET_TRIGGER_STREAM_H_
#define NNET_TRIGGER_STREAM_H_

// The functions of nnet_trigger.h on streams of packets; scores are summed packet by packet.

#include "hls_stream.h"
#include "nnet_trigger.h"

namespace nnet {

// An array, or another packet, as a packet of res_T.
template <class values_T, class res_T> void write_packet(values_T &values, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    res_T packet;
    PRAGMA_DATA_PACK(packet)
Pack:
    for (unsigned i = 0; i < res_T::size; i++) {
        #pragma HLS UNROLL
        packet[i] = values[i];
    }
    res.write(packet);
}

// All N values of an event, in however many packets they come.
template <unsigned N, class data_T> void read_values(hls::stream<data_T> &data, typename data_T::value_type values[N]) {
    #pragma HLS INLINE
Read:
    for (unsigned i = 0; i < N / data_T::size; i++) {
        #pragma HLS PIPELINE
        data_T packet = data.read();
    Packet:
        for (unsigned j = 0; j < data_T::size; j++) {
            #pragma HLS UNROLL
            values[i * data_T::size + j] = packet[j];
        }
    }
}

// Of a stream, the number j of packet i of res_T: behind a reshape, its own packets may be of another size.
template <class res_T, class data_T>
typename data_T::value_type next_number(hls::stream<data_T> &data, data_T &packet, unsigned i, unsigned j) {
    #pragma HLS INLINE
    unsigned place = data_T::size == res_T::size ? j : (i * res_T::size + j) % data_T::size;
    if (place == 0)
        packet = data.read();
    return packet[place];
}

// Fields of all words are one packet.
template <class data_T, class up_T, class down_T, class signed_T, class res_T, typename CONFIG_T>
void unpack_words(hls::stream<data_T> &data, const up_T up[CONFIG_T::n_fields], const down_T down[CONFIG_T::n_fields],
                  const signed_T is_signed[CONFIG_T::n_fields], hls::stream<res_T> &res) {
    typedef typename data_T::value_type part_T;
    typedef typename res_T::value_type field_T;
    part_T parts[CONFIG_T::n_in];
    field_T fields[res_T::size];
    #pragma HLS ARRAY_PARTITION variable=parts complete
    #pragma HLS ARRAY_PARTITION variable=fields complete
    read_values<CONFIG_T::n_in>(data, parts);
    unpack_words<part_T, up_T, down_T, signed_T, field_T, CONFIG_T>(parts, up, down, is_signed, fields);
    write_packet(fields, res);
}

template <class data_T, class column_T, class offset_T, class factor_T, class guard_T, class res_T, typename CONFIG_T>
void scale_inputs(hls::stream<data_T> &data, const column_T columns[CONFIG_T::n_out],
                  const offset_T offsets[CONFIG_T::n_out], const factor_T factors[CONFIG_T::n_out],
                  const guard_T guards[CONFIG_T::n_out], hls::stream<res_T> &res) {
    typedef typename data_T::value_type value_T;
    typedef typename res_T::value_type scaled_T;
    value_T values[CONFIG_T::n_in];
    scaled_T scaled[CONFIG_T::n_out];
    #pragma HLS ARRAY_PARTITION variable=values complete
    #pragma HLS ARRAY_PARTITION variable=scaled complete
    read_values<CONFIG_T::n_in>(data, values);
    scale_inputs<value_T, column_T, offset_T, factor_T, guard_T, scaled_T, CONFIG_T>(values, columns, offsets, factors,
                                                                                   guards, scaled);
    write_packet(scaled, res);
}

template <class difference_T, class data_T, class reference_T, class factor_T, class turn_T, class res_T, typename CONFIG_T>
void relative_angles(hls::stream<data_T> &data, const reference_T references[CONFIG_T::n_in],
                     const factor_T factors[CONFIG_T::n_in], const turn_T turns[CONFIG_T::n_in],
                     hls::stream<res_T> &res) {
    typedef typename data_T::value_type value_T;
    typedef typename res_T::value_type angle_T;
    value_T values[CONFIG_T::n_in];
    angle_T angles[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=values complete
    #pragma HLS ARRAY_PARTITION variable=angles complete
    read_values<CONFIG_T::n_in>(data, values);
    relative_angles<difference_T, value_T, reference_T, factor_T, turn_T, angle_T, CONFIG_T>(values, references, factors,
                                                                                          turns, angles);
    write_packet(angles, res);
}

template <class data_T, class chosen_T, class res_T, typename CONFIG_T>
void absolute_values(hls::stream<data_T> &data, const chosen_T chosen[CONFIG_T::n_in], hls::stream<res_T> &res) {
    typedef typename data_T::value_type value_T;
    typedef typename res_T::value_type absolute_T;
    value_T values[CONFIG_T::n_in];
    absolute_T absolutes[CONFIG_T::n_in];
    #pragma HLS ARRAY_PARTITION variable=values complete
    #pragma HLS ARRAY_PARTITION variable=absolutes complete
    read_values<CONFIG_T::n_in>(data, values);
    absolute_values<value_T, chosen_T, absolute_T, CONFIG_T>(values, chosen, absolutes);
    write_packet(absolutes, res);
}

template <class rounded_T, class data_T, class res_T, typename CONFIG_T>
void quantize(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    data_T packet;
Quantize:
    for (unsigned i = 0; i < CONFIG_T::n_in / res_T::size; i++) {
        #pragma HLS PIPELINE
        rounded_T rounded[res_T::size];
    Packet:
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            rounded[j] = next_number<res_T>(data, packet, i, j);
        }
        write_packet(rounded, res);
    }
}

template <class data_T, class table_T, class res_T, typename CONFIG_T>
void look_up(hls::stream<data_T> &data, const table_T table[CONFIG_T::table_size], hls::stream<res_T> &res) {
    data_T packet;
LookUp:
    for (unsigned i = 0; i < CONFIG_T::n_in / res_T::size; i++) {
        #pragma HLS PIPELINE
        table_T entries[res_T::size];
    Packet:
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            typename data_T::value_type number = next_number<res_T>(data, packet, i, j);
            entries[j] = look_up_one<typename data_T::value_type, table_T, CONFIG_T>(number, table);
        }
        write_packet(entries, res);
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
            write_packet(row[j / CONFIG_T::columns % CONFIG_T::width], res);
        }
    }
}

template <class x_T, class y_T, class res_T, typename CONFIG_T>
void sum_of_two(hls::stream<x_T> &x, hls::stream<y_T> &y, hls::stream<res_T> &res) {
    x_T x_packet;
    y_T y_packet;
Sum:
    for (unsigned i = 0; i < CONFIG_T::n_in / res_T::size; i++) {
        #pragma HLS PIPELINE
        typename res_T::value_type sums[res_T::size];
    Packet:
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            sums[j] = next_number<res_T>(x, x_packet, i, j) + next_number<res_T>(y, y_packet, i, j);
        }
        write_packet(sums, res);
    }
}

template <class x_T, class y_T, class res_T, typename CONFIG_T>
void difference(hls::stream<x_T> &x, hls::stream<y_T> &y, hls::stream<res_T> &res) {
    x_T x_packet;
    y_T y_packet;
Difference:
    for (unsigned i = 0; i < CONFIG_T::n_in / res_T::size; i++) {
        #pragma HLS PIPELINE
        typename res_T::value_type differences[res_T::size];
    Packet:
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            differences[j] = next_number<res_T>(x, x_packet, i, j) - next_number<res_T>(y, y_packet, i, j);
        }
        write_packet(differences, res);
    }
}

template <class x_T, class scale_T, class offset_T, class res_T, typename CONFIG_T>
void rescale(hls::stream<x_T> &x, const scale_T scale[CONFIG_T::n_channels],
             const offset_T offset[CONFIG_T::n_channels], hls::stream<res_T> &res) {
    x_T packet;
Rescale:
    for (unsigned i = 0; i < CONFIG_T::n_in / res_T::size; i++) {
        #pragma HLS PIPELINE
        typename res_T::value_type scaled[res_T::size];
    Packet:
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            unsigned channel = (i * res_T::size + j) % CONFIG_T::n_channels;
            scaled[j] = next_number<res_T>(x, packet, i, j) * scale[channel] + offset[channel];
        }
        write_packet(scaled, res);
    }
}

template <class x_T, class res_T, typename CONFIG_T> void rectify(hls::stream<x_T> &x, hls::stream<res_T> &res) {
    x_T packet;
Rectify:
    for (unsigned i = 0; i < CONFIG_T::n_in / res_T::size; i++) {
        #pragma HLS PIPELINE
        typename res_T::value_type rectified[res_T::size];
    Packet:
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            typename x_T::value_type number = next_number<res_T>(x, packet, i, j);
            if (number > 0)
                rectified[j] = number;
            else
                rectified[j] = 0;
        }
        write_packet(rectified, res);
    }
}

template <class term, class x_T, class res_T, typename CONFIG_T>
void score(hls::stream<x_T> &x, hls::stream<res_T> &res) {
    typename res_T::value_type sum[1] = {0};
Score:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE
        x_T packet = x.read();
    Packet:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            term::add(packet[j], sum[0]);
        }
    }
    write_packet(sum, res);
}

template <class term, class x_T, class y_T, class res_T, typename CONFIG_T>
void score(hls::stream<x_T> &x, hls::stream<y_T> &y, hls::stream<res_T> &res) {
    y_T y_packet;
    typename res_T::value_type sum[1] = {0};
Score:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE
        x_T x_packet = x.read();
    Packet:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            term::add(x_packet[j], next_number<x_T>(y, y_packet, i, j), sum[0]);
        }
    }
    write_packet(sum, res);
}

template <class term, class sum_T, class rounded_T, class x_T, class res_T, typename CONFIG_T>
void rounded_score(hls::stream<x_T> &x, hls::stream<res_T> &res) {
    sum_T sum = 0;
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
    rounded_T rounded[1] = {sum};
    write_packet(rounded, res);
}

template <class term, class sum_T, class rounded_T, class x_T, class y_T, class res_T, typename CONFIG_T>
void rounded_score(hls::stream<x_T> &x, hls::stream<y_T> &y, hls::stream<res_T> &res) {
    y_T y_packet;
    sum_T sum = 0;
Score:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE
        x_T x_packet = x.read();
    Packet:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            term::add(x_packet[j], next_number<x_T>(y, y_packet, i, j), sum);
        }
    }
    rounded_T rounded[1] = {sum};
    write_packet(rounded, res);
}

template <class score_T, class threshold_T, class res_T, typename CONFIG_T>
void above_threshold(hls::stream<score_T> &score, const threshold_T threshold[1], hls::stream<res_T> &res) {
    score_T packet = score.read();
    typename res_T::value_type above[1] = {packet[0] > threshold[0] ? 1 : 0};
    write_packet(above, res);
}

template <class score_T, class threshold_T, class res_T, typename CONFIG_T>
void above_threshold(hls::stream<score_T> &score, hls::stream<threshold_T> &threshold, hls::stream<res_T> &res) {
    typename threshold_T::value_type limit[1] = {threshold.read()[0]};
    above_threshold<score_T, typename threshold_T::value_type, res_T, CONFIG_T>(score, limit, res);
}

} // namespace nnet

#endif
