#ifndef NNET_TRIGGER_BITS_H_
#define NNET_TRIGGER_BITS_H_

namespace nnet {

// The bits of a fixed-point number as an unsigned one.
template <class data_T> unsigned bits_of(data_T x) {
    ac_int<data_T::width, false> bits = x.template slc<data_T::width>(0);
    return bits.to_uint();
}

} // namespace nnet

#endif
