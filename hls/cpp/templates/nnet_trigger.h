#ifndef NNET_TRIGGER_H_
#define NNET_TRIGGER_H_

// Packed words, scaling, rounding, look-up tables, scores and decision of an anomaly trigger.
//
// All arithmetic is exact: types of differences and products follow from their operands, sums are
// kept in the type of the result, which holds the largest of them. Each function takes arrays
// (io_parallel) or streams (io_stream).

#include "nnet_common.h"
#include "nnet_trigger_bits.h"

namespace nnet {

struct trigger_config {
    static const unsigned n_in = 57;
    // Features of a slot; the first is positive in a filled one.
    static const unsigned slot_size = 3;
    // An entry for each value of index_t, the type of the table's argument.
    static const unsigned table_size = 256;
    typedef int index_t;
    // Of an image, and how often each row and column is repeated; of factors and offsets, how many.
    static const unsigned height = 1;
    static const unsigned width = 1;
    static const unsigned n_channels = 1;
    static const unsigned rows = 2;
    static const unsigned columns = 2;
    // Of a word, its parts of 32 bits, and its fields.
    static const unsigned n_parts = 1;
    static const unsigned n_fields = 1;
};

// Packed words -------------------------------------------------------------------------------------

// Fields of words that come in parts of 32 bits, the low one first. In 64 bits, `up` is how far a
// field is from the first bit, `down` how far it then is from the last: shifts by constants.
template <class data_T, class up_T, class down_T, class signed_T, class res_T, typename CONFIG_T>
void unpack_words(data_T data[CONFIG_T::n_in], const up_T up[CONFIG_T::n_fields], const down_T down[CONFIG_T::n_fields],
                  const signed_T is_signed[CONFIG_T::n_fields],
                  res_T res[CONFIG_T::n_in / CONFIG_T::n_parts * CONFIG_T::n_fields]) {
    #pragma HLS INLINE
Words:
    for (unsigned i = 0; i < CONFIG_T::n_in / CONFIG_T::n_parts; i++) {
        #pragma HLS UNROLL
        unsigned long long word = 0;
    Parts:
        for (unsigned j = 0; j < CONFIG_T::n_parts; j++) {
            #pragma HLS UNROLL
            typename CONFIG_T::index_t part = data[i * CONFIG_T::n_parts + j];
            word |= (unsigned long long)bits_of(part) << 32 * j;
        }
    Fields:
        for (unsigned k = 0; k < CONFIG_T::n_fields; k++) {
            #pragma HLS UNROLL
            unsigned long long shifted = word << up[k].to_uint();
            // Of a signed number, >> repeats the first bit.
            if (is_signed[k].to_uint())
                res[i * CONFIG_T::n_fields + k] = (long long)shifted >> down[k].to_uint();
            else
                res[i * CONFIG_T::n_fields + k] = shifted >> down[k].to_uint();
        }
    }
}

// Scaling ------------------------------------------------------------------------------------------

// (x - offset) * factor of a column; zero unless the guard is above zero, where there is one.
template <class data_T, class column_T, class offset_T, class factor_T, class guard_T, class res_T, typename CONFIG_T>
void scale_inputs(data_T data[CONFIG_T::n_in], const column_T columns[CONFIG_T::n_out],
                  const offset_T offsets[CONFIG_T::n_out], const factor_T factors[CONFIG_T::n_out],
                  const guard_T guards[CONFIG_T::n_out], res_T res[CONFIG_T::n_out]) {
    #pragma HLS INLINE
Scale:
    for (unsigned i = 0; i < CONFIG_T::n_out; i++) {
        #pragma HLS UNROLL
        int guard = guards[i].to_int();
        if (guard < 0 || data[guard < 0 ? 0 : guard] > 0)
            res[i] = (data[columns[i].to_int()] - offsets[i]) * factors[i];
        else
            res[i] = 0;
    }
}

// Relative to a multiple of another column, turned around once where that is half a turn away or more.
template <class difference_T, class data_T, class reference_T, class factor_T, class turn_T, class res_T, typename CONFIG_T>
void relative_angles(data_T data[CONFIG_T::n_in], const reference_T references[CONFIG_T::n_in],
                     const factor_T factors[CONFIG_T::n_in], const turn_T turns[CONFIG_T::n_in],
                     res_T res[CONFIG_T::n_in]) {
    #pragma HLS INLINE
Relate:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        difference_T difference = data[i] - data[references[i].to_int()] * factors[i];
        difference_T twice = difference + difference;
        if (turns[i] != 0 && twice >= turns[i])
            res[i] = difference - turns[i];
        else if (turns[i] != 0 && twice < -turns[i])
            res[i] = difference + turns[i];
        else
            res[i] = difference;
    }
}

// Without the sign, where chosen.
template <class data_T, class chosen_T, class res_T, typename CONFIG_T>
void absolute_values(data_T data[CONFIG_T::n_in], const chosen_T chosen[CONFIG_T::n_in], res_T res[CONFIG_T::n_in]) {
    #pragma HLS INLINE
Absolute:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        if (chosen[i] != 0 && data[i] < 0)
            res[i] = -data[i];
        else
            res[i] = data[i];
    }
}

// Rounding -----------------------------------------------------------------------------------------

// By the modes of rounded_T, whatever those of res_T are.
template <class rounded_T, class data_T, class res_T, typename CONFIG_T>
void quantize(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in]) {
    #pragma HLS INLINE
Quantize:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        rounded_T rounded = data[i];
        res[i] = rounded;
    }
}

// Tables -------------------------------------------------------------------------------------------

template <class data_T, class table_T, typename CONFIG_T>
table_T look_up_one(data_T x, const table_T table[CONFIG_T::table_size]) {
    #pragma HLS INLINE
    typename CONFIG_T::index_t index = x;
    return table[bits_of(index)];
}

template <class data_T, class table_T, class res_T, typename CONFIG_T>
void look_up(data_T data[CONFIG_T::n_in], const table_T table[CONFIG_T::table_size], res_T res[CONFIG_T::n_in]) {
    #pragma HLS INLINE
LookUp:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        res[i] = look_up_one<data_T, table_T, CONFIG_T>(data[i], table);
    }
}

// Images -------------------------------------------------------------------------------------------

template <class data_T, class res_T, typename CONFIG_T>
void upsample(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in * CONFIG_T::rows * CONFIG_T::columns]) {
    #pragma HLS INLINE
    const unsigned width = CONFIG_T::width * CONFIG_T::columns;
Upsample:
    for (unsigned i = 0; i < CONFIG_T::height * CONFIG_T::rows; i++) {
        #pragma HLS UNROLL
        for (unsigned j = 0; j < width; j++) {
            #pragma HLS UNROLL
            for (unsigned k = 0; k < CONFIG_T::n_channels; k++) {
                #pragma HLS UNROLL
                unsigned pixel = i / CONFIG_T::rows * CONFIG_T::width + j / CONFIG_T::columns;
                res[(i * width + j) * CONFIG_T::n_channels + k] = data[pixel * CONFIG_T::n_channels + k];
            }
        }
    }
}

// Arithmetic: each result is computed exactly before it is stored --------------------------------

template <class x_T, class y_T, class res_T, typename CONFIG_T>
void sum_of_two(x_T x[CONFIG_T::n_in], y_T y[CONFIG_T::n_in], res_T res[CONFIG_T::n_in]) {
    #pragma HLS INLINE
Sum:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        res[i] = x[i] + y[i];
    }
}

template <class x_T, class y_T, class res_T, typename CONFIG_T>
void difference(x_T x[CONFIG_T::n_in], y_T y[CONFIG_T::n_in], res_T res[CONFIG_T::n_in]) {
    #pragma HLS INLINE
Difference:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        res[i] = x[i] - y[i];
    }
}

// A factor and an offset for each channel, or one for all.
template <class x_T, class scale_T, class offset_T, class res_T, typename CONFIG_T>
void rescale(x_T x[CONFIG_T::n_in], const scale_T scale[CONFIG_T::n_channels],
             const offset_T offset[CONFIG_T::n_channels], res_T res[CONFIG_T::n_in]) {
    #pragma HLS INLINE
Rescale:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        unsigned channel = i % CONFIG_T::n_channels;
        res[i] = x[i] * scale[channel] + offset[channel];
    }
}

template <class x_T, class res_T, typename CONFIG_T> void rectify(x_T x[CONFIG_T::n_in], res_T res[CONFIG_T::n_in]) {
    #pragma HLS INLINE
Rectify:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        if (x[i] > 0)
            res[i] = x[i];
        else
            res[i] = 0;
    }
}

// Scores: sums of a term of each element -----------------------------------------------------------

// x
struct total {
    template <class x_T, class sum_T> static void add(x_T x, sum_T &sum) { sum += x; }
};

// x^2
struct squared_norm {
    template <class x_T, class sum_T> static void add(x_T x, sum_T &sum) { sum += x * x; }
};

// x^2 w
struct normalized_norm {
    template <class x_T, class w_T, class sum_T> static void add(x_T x, w_T w, sum_T &sum) { sum += x * x * w; }
};

// (x^2 + w) / 2; half_T holds 0.5, and nothing is lost as it would be in a shift.
template <class half_T> struct gaussian_divergence {
    template <class x_T, class w_T, class sum_T> static void add(x_T x, w_T w, sum_T &sum) {
        sum += half_T(0.5) * (x * x + w);
    }
};

// (x - y)^2; with MASKED where x is not zero
template <bool MASKED> struct squared_error {
    template <class x_T, class y_T, class sum_T> static void add(x_T x, y_T y, sum_T &sum) {
        auto difference = x - y;
        if (!MASKED || x != 0)
            sum += difference * difference;
    }
};

// |x - y|; with MASKED where x is not zero
template <bool MASKED> struct absolute_error {
    template <class x_T, class y_T, class sum_T> static void add(x_T x, y_T y, sum_T &sum) {
        auto difference = x - y;
        if (!MASKED || x != 0) {
            if (difference < 0)
                sum -= difference;
            else
                sum += difference;
        }
    }
};

// Another term, rounded by the modes of rounded_T.
template <class term, class rounded_T> struct rounded_term {
    template <class x_T, class sum_T> static void add(x_T x, sum_T &sum) {
        rounded_T rounded = 0;
        term::add(x, rounded);
        sum += rounded;
    }
    template <class x_T, class y_T, class sum_T> static void add(x_T x, y_T y, sum_T &sum) {
        rounded_T rounded = 0;
        term::add(x, y, rounded);
        sum += rounded;
    }
};

template <class term, class x_T, class res_T, typename CONFIG_T> void score(x_T x[CONFIG_T::n_in], res_T res[1]) {
    #pragma HLS INLINE
    res_T sum = 0;
Score:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        term::add(x[i], sum);
    }
    res[0] = sum;
}

template <class term, class x_T, class y_T, class res_T, typename CONFIG_T>
void score(x_T x[CONFIG_T::n_in], y_T y[CONFIG_T::n_in], res_T res[1]) {
    #pragma HLS INLINE
    res_T sum = 0;
Score:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        term::add(x[i], y[i], sum);
    }
    res[0] = sum;
}

// The sum in full, then rounded by the modes of rounded_T.
template <class term, class sum_T, class rounded_T, class x_T, class res_T, typename CONFIG_T>
void rounded_score(x_T x[CONFIG_T::n_in], res_T res[1]) {
    #pragma HLS INLINE
    sum_T sum[1];
    score<term, x_T, sum_T, CONFIG_T>(x, sum);
    rounded_T rounded = sum[0];
    res[0] = rounded;
}

template <class term, class sum_T, class rounded_T, class x_T, class y_T, class res_T, typename CONFIG_T>
void rounded_score(x_T x[CONFIG_T::n_in], y_T y[CONFIG_T::n_in], res_T res[1]) {
    #pragma HLS INLINE
    sum_T sum[1];
    score<term, x_T, y_T, sum_T, CONFIG_T>(x, y, sum);
    rounded_T rounded = sum[0];
    res[0] = rounded;
}

// Decision -----------------------------------------------------------------------------------------

// The threshold is a constant or an input.
template <class score_T, class threshold_T, class res_T, typename CONFIG_T>
void above_threshold(score_T score[1], const threshold_T threshold[1], res_T res[1]) {
    #pragma HLS INLINE
    res[0] = score[0] > threshold[0] ? 1 : 0;
}

} // namespace nnet

#endif
