// Events in physical units as the hardware values that the trigger takes.
// Written by keras-ae $version.
//
//     trigger_inputs::Event event = trigger_inputs::empty_event();
//     event.$example = 100;
//     double numbers[trigger_inputs::n_values];
//     trigger_inputs::to_hardware(event, numbers);
//
// gives the numbers of the event in the order of the port; instead of double it fills an array of the
// port's own type, too. A hardware value is the physical value divided by the last bit, in double,
// rounded to the format of its field: these are the operations of the Python package in their order, and
// the results are equal in every bit. `fixed<W,I>` has W bits, of which I stand before the point,
// including the sign; `ufixed<W,I>` has no sign. RND_CONV rounds half to even, RND half up, TRN down;
// beyond the format SAT takes the nearest end, WRAP the value modulo the range; an angle in a format
// without a sign comes back to 0 after a full turn.
//
// A slot is zero in all its numbers where its rule says that it is empty, and where the field of that
// rule becomes zero or less. Values of other slots must be finite: to_hardware throws
// std::invalid_argument, and then leaves its array as it was.
//
// C++11 and its standard library. The compiler must keep to IEEE 754: -ffast-math is refused.
$renamed
#ifndef TRIGGER_INPUTS_H
#define TRIGGER_INPUTS_H

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "inputs.h must be compiled without -ffast-math and -ffinite-math-only"
#endif
#if defined(FLT_EVAL_METHOD) && (FLT_EVAL_METHOD < 0 || FLT_EVAL_METHOD == 2)
#error "inputs.h must be compiled for double without further bits, such as with -msse2 -mfpmath=sse"
#endif

namespace trigger_inputs {

static_assert(std::numeric_limits<double>::is_iec559 && std::numeric_limits<double>::digits == 53,
              "double must be that of IEEE 754");

// Numbers of an event.
constexpr std::size_t n_values = $n_values;

$structs

// The numbers of an event in their order, in physical units.
inline void values_of(const Event &event, double values[n_values]) {
    double *next = values;
$read
}

// The event of numbers in their order.
inline Event event_of(const double values[n_values]) {
    Event event;
    const double *next = values;
$write
    return event;
}

namespace detail {

enum class Rounding { half_even, half_up, down };
enum class Overflow { saturate, wrap };

struct Field {
    const char *name;
    double last_bit;
    int width;
    bool is_signed;
    double steps_per_unit; // 2 to the number of bits behind the point
    Rounding rounding;
    Overflow overflow;
    double turn; // of an angle that comes back to 0, in units of 1; else 0
};

// `slots` objects of the same fields. The field `guard`, -1 if none, says that one is empty by its value
// `empty`, which may be NaN.
struct Collection {
    std::size_t slots;
    int guard;
    double empty;
    std::size_t n_fields;
    const Field *fields;

    std::string name_of(std::size_t slot, std::size_t field) const {
        const std::string name = fields[field].name;
        return slots > 1 ? name + "[" + std::to_string(slot) + "]" : name;
    }

    bool is_empty(const double *values) const {
        if (guard < 0)
            return false;
        return std::isnan(empty) ? std::isnan(values[guard]) : values[guard] == empty;
    }
};

constexpr std::size_t n_collections = $n_collections;

inline const Collection *collections() {
$tables
    return all;
}

inline double rounded(double steps, Rounding rounding) {
    const double below = std::floor(steps), rest = steps - below;
    if (rounding == Rounding::down)
        return below;
    if (rounding == Rounding::half_up)
        return rest >= 0.5 ? below + 1 : below;
    if (rest == 0.5)
        return std::fmod(below, 2.0) == 0 ? below : below + 1;
    return rest > 0.5 ? below + 1 : below;
}

// In multiples of the last bit of the field's format.
inline std::int64_t to_integer(double value, const Field &field) {
    const double scaled = value / field.last_bit;
    const double steps = rounded(scaled * field.steps_per_unit, field.rounding);
    if (field.turn > 0) {
        if (!std::isfinite(steps))
            return 0;
        const double around = field.turn * field.steps_per_unit;
        const double rest = std::fmod(steps, around);
        return static_cast<std::int64_t>(rest < 0 ? rest + around : rest);
    }
    const std::int64_t range = std::int64_t(1) << field.width;
    const std::int64_t low = field.is_signed ? -(range / 2) : 0;
    const std::int64_t high = low + range - 1;
    if (field.overflow == Overflow::saturate) {
        if (steps <= static_cast<double>(low))
            return low;
        if (steps >= static_cast<double>(high))
            return high;
        return static_cast<std::int64_t>(steps);
    }
    // What is too large for double is a multiple of every range.
    if (!std::isfinite(steps))
        return 0;
    const std::int64_t rest = static_cast<std::int64_t>(std::fmod(steps, static_cast<double>(range)));
    return rest < low ? rest + range : rest > high ? rest - range : rest;
}

inline void check_finite(const double values[n_values]) {
    const double *next = values;
    for (std::size_t i = 0; i < n_collections; i++) {
        const Collection &kind = collections()[i];
        for (std::size_t slot = 0; slot < kind.slots; slot++, next += kind.n_fields) {
            if (kind.is_empty(next))
                continue;
            for (std::size_t j = 0; j < kind.n_fields; j++)
                if (!std::isfinite(next[j]))
                    throw std::invalid_argument(kind.name_of(slot, j) + " must be finite, got " +
                                                std::to_string(next[j]));
        }
    }
}

// The classes of fixed-point numbers have to_double().
template <class T> auto as_double(const T &number, int) -> decltype(number.to_double()) {
    return number.to_double();
}
template <class T> double as_double(const T &number, long) { return static_cast<double>(number); }

} // namespace detail

// The bits of each number: its value in multiples of the last bit of its field's format.
inline void to_integers(const Event &event, std::int64_t integers[n_values]) {
    double values[n_values];
    values_of(event, values);
    detail::check_finite(values);
    const double *next = values;
    for (std::size_t i = 0; i < detail::n_collections; i++) {
        const detail::Collection &kind = detail::collections()[i];
        for (std::size_t slot = 0; slot < kind.slots; slot++) {
            const bool is_empty =
                kind.is_empty(next) ||
                (kind.guard >= 0 && detail::to_integer(next[kind.guard], kind.fields[kind.guard]) <= 0);
            for (std::size_t j = 0; j < kind.n_fields; j++)
                *integers++ = is_empty ? 0 : detail::to_integer(next[j], kind.fields[j]);
            next += kind.n_fields;
        }
    }
}

// The hardware values as numbers of any type that holds them: double, ap_fixed, ac_fixed, int.
// Throws std::invalid_argument where it does not, so that no value changes on its way.
template <class T> void to_hardware(const Event &event, T numbers[n_values]) {
    std::int64_t integers[n_values];
    to_integers(event, integers);
    T converted[n_values];
    std::size_t place = 0;
    for (std::size_t i = 0; i < detail::n_collections; i++) {
        const detail::Collection &kind = detail::collections()[i];
        for (std::size_t slot = 0; slot < kind.slots; slot++)
            for (std::size_t j = 0; j < kind.n_fields; j++, place++) {
                const double exact =
                    static_cast<double>(integers[place]) / kind.fields[j].steps_per_unit;
                converted[place] = static_cast<T>(exact);
                if (!(detail::as_double(converted[place], 0) == exact))
                    throw std::invalid_argument(kind.name_of(slot, j) + " must fit the type, got " +
                                                std::to_string(exact));
            }
    }
    for (std::size_t i = 0; i < n_values; i++)
        numbers[i] = converted[i];
}

// No object in any slot that can be empty, and zero elsewhere.
inline Event empty_event() {
    double values[n_values];
    double *next = values;
    for (std::size_t i = 0; i < detail::n_collections; i++) {
        const detail::Collection &kind = detail::collections()[i];
        for (std::size_t slot = 0; slot < kind.slots; slot++)
            for (std::size_t j = 0; j < kind.n_fields; j++)
                *next++ = static_cast<int>(j) == kind.guard ? kind.empty : 0.0;
    }
    return event_of(values);
}
// What the firmware's ports take, as numbers in the order of its ports: a line of the test bench.
$port
} // namespace trigger_inputs

#endif
