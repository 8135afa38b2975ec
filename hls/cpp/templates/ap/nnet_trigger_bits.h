#ifndef NNET_TRIGGER_BITS_H_
#define NNET_TRIGGER_BITS_H_

namespace nnet {

// The bits of a fixed-point number as an unsigned one.
template <class data_T> unsigned bits_of(data_T x) {
    #pragma HLS INLINE
    return x.range(data_T::width - 1, 0).to_uint();
}

} // namespace nnet

#endif
