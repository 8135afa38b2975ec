"""From physical units to hardware values: inputs.h gives the bits of Python and of fractions."""

from __future__ import annotations

import importlib.util
import keyword
import math
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hls.cpp.inputs_header import EXAMPLE, HEADER, render_inputs_header, write_inputs_header
from hls.graph.packed_ports import port_values
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.presets import load_front_end, preset_names

WARNINGS = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
OPTIONS = [*WARNINGS, "-O2"]

#: Every rounding with every overflow, fractional and coarse formats, of one bit and of many.
FEATURES = {
    "features": {
        "up": {"format": "fixed<12,7,RND>", "last_bit": 0.1, "unit": "GeV \\"},
        "down": {"format": "ufixed<9,4,TRN>", "last_bit": "2*pi/144", "unit": "°"},
        "even": {"format": "fixed<8,3>", "last_bit": 0.25},
        "around": {"format": "fixed<10,6,TRN,WRAP>", "last_bit": "0.087/2"},
        "turning": {"format": "ufixed<8,8,RND,WRAP>", "last_bit": 1},
        "wrapped": {"format": "fixed<16,16,RND_CONV,WRAP>", "last_bit": 0.5},
        "coarse": {"format": "fixed<6,9,TRN>", "last_bit": 3},
        "fine": {"format": "fixed<5,-2,RND,WRAP>", "last_bit": 7},
        "one": {"format": "ufixed<1,1>"},
        "sign": {"format": "fixed<1,1,TRN,WRAP>"},
        "wide": {"format": "fixed<53,46>", "last_bit": 1e-3},
        "widest": {"format": "ufixed<53,53,TRN,WRAP>", "last_bit": 1e-3},
    }
}
PADDED = {
    "objects": {
        "met": {"fields": {"pt": {"format": "ufixed<12,12>", "last_bit": 0.5}}},
        "jet": {
            "slots": 3,
            "empty": "pt == -999",
            "order": "pt",
            "fields": {
                "eta": {"format": "fixed<6,4,RND>", "last_bit": "0.087/2"},
                "pt": {"format": "ufixed<10,8,TRN,WRAP>", "last_bit": 0.5},
            },
        },
        "muon": {
            "slots": 2,
            "empty": "pt == nan",
            "fields": {
                "pt": {"format": "ufixed<8,8>", "last_bit": 0.1},
                "phi": {"format": "fixed<8,8>", "last_bit": "2*pi/144"},
            },
        },
    }
}
IMAGE = {"image": {"shape": [3, 2, 2], "pixel": {"format": "ufixed<10,10>", "last_bit": 0.5}}}

#: Events of files of float64, through the flat array.
BINARY = """
#include "inputs.h"
#include <fstream>
int main(int, char **arguments) {
    std::ifstream in(arguments[1], std::ios::binary);
    std::ofstream out(arguments[2], std::ios::binary);
    double values[trigger_inputs::n_values], hardware[trigger_inputs::n_values];
    while (in.read(reinterpret_cast<char *>(values), sizeof values)) {
        trigger_inputs::to_hardware(trigger_inputs::event_of(values), hardware);
        out.write(reinterpret_cast<const char *>(hardware), sizeof hardware);
    }
    return !out;
}
"""


def compile_program(folder: Path, source: str | Path, *options: str) -> Path:
    """Against the inputs.h in a folder."""
    path = folder / "program.cpp"
    if isinstance(source, Path):
        path = source
    else:
        path.write_text(source, encoding="utf-8")
    result = subprocess.run(
        ["g++", *(options or WARNINGS), f"-I{folder}", str(path), "-o", str(folder / "program")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return folder / "program"


def run_program(program: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([program], input=text, capture_output=True, text=True, check=False)


def printed(folder: Path, front_end: FrontEnd, source: str, *options: str) -> list[str]:
    """Lines of a program of a front end's inputs.h."""
    write_inputs_header(folder, front_end)
    result = run_program(compile_program(folder, source, *options))
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def hardware_of(folder: Path, program: Path, values: np.ndarray) -> np.ndarray:
    """Of C++."""
    values.astype(np.float64).tofile(folder / "in.bin")
    subprocess.run([program, folder / "in.bin", folder / "out.bin"], check=True)
    return np.fromfile(folder / "out.bin").reshape(values.shape)


#: Huge, tiny, of either sign, on the way to float64's ends, and angles at the ends of a turn.
EXTREMES = np.fromstring(
    "0 5e-324 1e-310 2.3e-308 1e-30 0.1 3.141592653589793 3.1415926535897936 6.283185307179586 "
    "2047.5 2200 2147483648 4503599627370496.5 9007199254740992 1e18 9223372036854775808 1e100 "
    "1e300 1.7e308",
    sep=" ",
)
EXTREMES = np.concatenate([EXTREMES, -EXTREMES])


def column_values(rng: np.random.Generator, field: Any, n_events: int) -> np.ndarray:
    """Physical values of a field: within, at ties and their neighbours, at the ends, extremes."""
    form, last_bit = field.format, field.last_bit.value
    low, high = form.low / form.step, form.high / form.step
    margin = min(0.2 * (high - low) + 3, 100.0)
    steps = rng.uniform(low - margin, high + margin, n_events)
    kind = rng.integers(0, 8, n_events)
    steps = np.where(kind == 1, np.floor(steps) + 0.5, steps)
    near = np.array([-1, -0.5, 0, 0.5, 1])[rng.integers(0, 5, n_events)]
    steps = np.where(kind == 2, np.where(steps > 0, high, low) + near, steps)
    steps = np.where(kind == 3, near, steps)
    values = steps * form.step * last_bit
    # Down and up by the last bit of float64.
    direction = np.where(rng.integers(0, 2, n_events), np.inf, -np.inf)
    moved = (kind < 6) & (near == 0)
    values = np.where(moved, np.nextafter(values, direction), values)
    return np.where(kind == 4, rng.choice(EXTREMES, n_events), values)


def random_events(rng: np.random.Generator, front_end: FrontEnd, n_events: int) -> np.ndarray:
    """Physical values (events, n_values): slots are empty by their rule in a fifth."""
    values = np.empty((n_events, front_end.n_values))
    # Of each field some values, in any combination.
    pools = {column.group: column.field for column in front_end.columns}
    pool = {group: column_values(rng, field, 4096) for group, field in pools.items()}
    for column in front_end.columns:
        values[:, column.index] = rng.choice(pool[column.group], n_events)
    for column in front_end.columns:
        rule = front_end.collections[column.collection].empty_rule
        if rule is not None and column.guard == column.index:
            empty = rng.random(n_events) < 0.2
            values[empty, column.index] = rule.value
    # What is in an empty slot is of no matter.
    empty = front_end.is_empty(values)
    for column in front_end.columns:
        if column.guard not in (None, column.index):
            odd = rng.choice(np.array([np.nan, np.inf, -np.inf, 1.0]), n_events)
            here = empty[:, column.index]
            values[here, column.index] = odd[here]
    return values


def check_front_end(folder: Path, front_end: FrontEnd, n_events: int, n_chunk: int = 20000) -> None:
    """C++ gives what Python does, event by event."""
    write_inputs_header(folder, front_end)
    program = compile_program(folder, BINARY, *OPTIONS)
    rng = np.random.default_rng(17)
    filled = np.zeros(front_end.n_values, int)
    for first in range(0, n_events, n_chunk):
        values = random_events(rng, front_end, min(n_chunk, n_events - first))
        expected = front_end.to_hardware(values)
        np.testing.assert_array_equal(hardware_of(folder, program, values), expected)
        filled += (expected != 0).sum(axis=0)
    # Not because everything was zero.
    assert (filled > 0.05 * n_events).all()


#: More than 1,000,000 in all.
@pytest.mark.parametrize(
    ("given", "n_events"),
    [
        ("adc2021", 50_000),
        ("cms_ugt_run3", 10_000),
        ("axol1tl", 50_000),
        ("calorimeter_regions", 5_000),
        (FEATURES, 450_000),
        (PADDED, 450_000),
        (IMAGE, 20_000),
    ],
    ids=lambda given: given if isinstance(given, str | int) else next(iter(given)),
)
def test_cpp_gives_the_bits_of_python(tmp_path: Path, given: Any, n_events: int) -> None:
    check_front_end(tmp_path, load_front_end(given), n_events)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adc2021", "cms_ugt_run3", "axol1tl"])
def test_cpp_gives_the_bits_of_python_for_a_million(tmp_path: Path, name: str) -> None:
    check_front_end(tmp_path, load_front_end(name), 1_000_000)


def exact_hardware(value: float, last_bit: float, form: FixedPointFormat) -> Fraction:
    """By fractions of integers; only the division is float64's."""
    scaled = value / last_bit
    # What float64 cannot hold is large, and a multiple of every power of two.
    beyond = 2**2000 if scaled > 0 else -(2**2000)
    exact = Fraction(beyond if math.isinf(scaled) else scaled)
    steps = exact * Fraction(2) ** form.fractional
    below = math.floor(steps)
    rest = steps - below
    is_odd = bool(below % 2)
    up = {
        "TRN": False,
        "RND": rest >= Fraction(1, 2),
        "RND_CONV": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and is_odd),
    }
    number = below + up[form.rounding]
    low = -(2 ** (form.width - 1)) if form.signed else 0
    high = low + 2**form.width - 1
    if form.overflow == "SAT":
        number = min(max(number, low), high)
    else:
        number = (number - low) % 2**form.width + low
    return number / Fraction(2) ** form.fractional


@pytest.mark.parametrize("options", [OPTIONS, ["-O3", "-march=native", "-std=gnu++17"]])
def test_both_are_exact(tmp_path: Path, options: list[str]) -> None:
    front_end = load_front_end(FEATURES)
    write_inputs_header(tmp_path, front_end)
    program = compile_program(tmp_path, BINARY, *options)
    rng = np.random.default_rng(3)
    ends = np.tile(EXTREMES[:, None], front_end.n_values)
    values = np.concatenate([random_events(rng, front_end, 1500), ends])
    expected = [
        [
            float(exact_hardware(value, column.field.last_bit.value, column.field.format))
            for value, column in zip(row, front_end.columns, strict=True)
        ]
        for row in values.tolist()
    ]
    np.testing.assert_array_equal(hardware_of(tmp_path, program, values), expected)
    np.testing.assert_array_equal(front_end.to_hardware(values), expected)


def test_structures_of_objects(tmp_path: Path) -> None:
    """The cases in which a project without this header was wrong."""
    source = """
    #include "inputs.h"
    #include <iostream>
    using namespace trigger_inputs;
    int main() {
        Event event = empty_event();
        event.jet[0] = Jet{2200, -1.0, 3.0761419};
        event.jet[1] = Jet{0.2, 1.0, 1.0};
        event.jet[9].pt = 30.25;
        event.met.pt = 12;
        event.muon[3] = Muon{5, 0.0435, -3.14159265358979};
        int numbers[n_values];
        to_hardware(event, numbers);
        for (int number : numbers)
            std::cout << number << std::endl;
    }
    """
    found = list(map(int, printed(tmp_path, load_front_end("adc2021"), source)))
    # The last bit of phi in six digits makes 71 of this phi.
    assert round(3.0761419 / 0.0436332) == 71
    expected = np.zeros(57, int)
    expected[0] = 24
    expected[24:27] = 10, 1, -72
    expected[27:30] = 4095, -23, 70
    # Beyond the format it is the largest; half to even.
    expected[54] = 60
    assert found == expected.tolist()


def test_values_of_filled_slots_that_are_not_finite(tmp_path: Path) -> None:
    fields = {"pt": {"format": "ufixed<4,4>"}, "eta": {"format": "fixed<4,4>"}}
    front_end = load_front_end(
        {
            "objects": {
                "met": {"fields": {"pt": {"format": "ufixed<4,4>"}}},
                "jet": {"slots": 2, "empty": "pt == -999", "fields": fields},
            }
        }
    )
    write_inputs_header(tmp_path, front_end)
    program = compile_program(tmp_path, tmp_path / EXAMPLE)
    for values, message in (
        ("1 1 1 nan 1", "jet.pt[1] must be finite, got nan"),
        ("1 1 inf -999 1", "jet.eta[0] must be finite, got inf"),
        ("-inf 1 1 -999 1", "met.pt must be finite, got -inf"),
        # An empty slot by its pT, but not said to be one.
        ("1 0.1 nan -999 1", "jet.eta[0] must be finite, got nan"),
    ):
        with pytest.raises(InputError, match="^events: every value must be finite"):
            front_end.to_hardware(np.array([list(map(float, values.split()))]))
        result = run_program(program, f"1 2 3 -999 nan\n{values}\n")
        assert (result.returncode, result.stderr) == (1, f"event 1: {message}\n")
        assert result.stdout == "1 2 3 0 0\n"
    source = """
    #include "inputs.h"
    #include <iostream>
    int main() {
        double numbers[5] = {7, 7, 7, 7, 7};
        trigger_inputs::Event event = trigger_inputs::empty_event();
        event.met.pt = std::numeric_limits<double>::quiet_NaN();
        try {
            trigger_inputs::to_hardware(event, numbers);
        } catch (const std::invalid_argument &) {
            std::cout << numbers[0] << numbers[4] << std::endl;
        }
    }
    """
    assert printed(tmp_path, front_end, source) == ["77"]


def test_example_reads_lines(tmp_path: Path) -> None:
    front_end = load_front_end(PADDED)
    write_inputs_header(tmp_path, front_end)
    program = compile_program(tmp_path, tmp_path / EXAMPLE)
    values = random_events(np.random.default_rng(5), front_end, 200)
    text = "".join(" ".join(map(repr, row)) + "\n" for row in values.tolist())
    result = run_program(program, text)
    assert result.returncode == 0, result.stderr
    found = [list(map(float, line.split())) for line in result.stdout.splitlines()]
    np.testing.assert_array_equal(found, front_end.to_hardware(values))
    for line, message in (
        ("1 2", "event 0 must hold 11 numbers, got 2\n"),
        ("1 2 x", "event 0 must hold numbers, got 'x'\n"),
    ):
        result = run_program(program, f"{line}\n")
        assert (result.returncode, result.stderr) == (2, message)


def test_empty_events(tmp_path: Path) -> None:
    source = """
    #include "inputs.h"
    #include <iostream>
    int main() {
        const trigger_inputs::Event event = trigger_inputs::empty_event();
        double values[trigger_inputs::n_values];
        trigger_inputs::values_of(event, values);
        for (double value : values)
            std::cout << value << std::endl;
    }
    """
    found = printed(tmp_path, load_front_end(PADDED), source)
    assert found == ["0", *["0", "-999"] * 3, *["nan", "0"] * 2]


def hls4ml_headers(*parts: str) -> Path:
    """A folder of hls4ml, which is not imported for it."""
    spec = importlib.util.find_spec("hls4ml")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "templates", *parts)


@pytest.mark.parametrize(
    ("folder", "header", "kind"),
    [
        (("vivado", "ap_types"), "ap_fixed.h", "ap_fixed<{w}, {i}>"),
        (("quartus", "ac_types"), "ac_fixed.h", "ac_fixed<{w}, {i}, true>"),
        (("catapult", "ac_types", "include"), "ac_fixed.h", "ac_fixed<{w}, {i}, true>"),
    ],
)
def test_types_of_the_port(tmp_path: Path, folder: Any, header: str, kind: str) -> None:
    """Every value arrives as it is in the type of a project, or not at all."""
    front_end = load_front_end("axol1tl")
    form = front_end.port_format
    types = {
        "Port": kind.format(w=form.width, i=form.integer),
        "Narrow": kind.format(w=8, i=8),
    }
    source = f'#include "{header}"\n#include "inputs.h"\n#include <iostream>\n'
    source += "".join(f"typedef {kind} {name};\n" for name, kind in types.items())
    source += """
    template <class T> void show(const trigger_inputs::Event &event) {
        T numbers[trigger_inputs::n_values];
        try {
            trigger_inputs::to_hardware(event, numbers);
            for (const T &number : numbers)
                std::cout << number.to_double() << " ";
        } catch (const std::invalid_argument &error) {
            std::cout << error.what();
        }
        std::cout << std::endl;
    }
    int main() {
        double values[trigger_inputs::n_values];
        for (std::size_t i = 0; i < trigger_inputs::n_values; i++)
            values[i] = i % 2 ? -2.37 * i : 3.01 * i;
        values[0] = 1000.0;
        std::cout.precision(17);
        show<Port>(trigger_inputs::event_of(values));
        show<Narrow>(trigger_inputs::event_of(values));
    }
    """
    options = ["-std=c++17", "-w", f"-I{hls4ml_headers(*folder)}"]
    first, second = printed(tmp_path, front_end, source, *options)
    values = np.array([[-2.37 * i if i % 2 else 3.01 * i for i in range(57)]])
    values[0, 0] = 1000.0
    np.testing.assert_array_equal([list(map(float, first.split()))], front_end.to_hardware(values))
    assert second == "met.pt must fit the type, got 2000.000000"


def macros() -> list[str]:
    """All names that the standard headers define and a field may have."""
    headers = ["cfloat", "cmath", "cstdint", "cstdlib", "iostream", "limits", "sstream", "string"]
    text = "".join(f"#include <{name}>\n" for name in headers)
    listed = subprocess.run(
        ["g++", "-std=gnu++14", "-x", "c++", "-dM", "-E", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = [line.split()[1].split("(")[0] for line in listed.splitlines()]
    return [name for name in names if name[0].isalpha()]


def test_any_name_compiles(tmp_path: Path) -> None:
    names = dict.fromkeys([*keyword.kwlist, "class", "int", "double", "class_", "Event", *macros()])
    names |= dict.fromkeys(["std", "next", "event", "values", "value", "pt", "ETA", "T"])
    front_end = load_front_end({"features": list(names), "format": "ufixed<4,4>"})
    assert len(front_end.names) > 500
    source = '#include "inputs.h"\n#include <cstdlib>\n#include <iostream>\n#include <sstream>\n'
    # Members in the order of their names, whatever they are called.
    source += """int main() {
        double values[trigger_inputs::n_values];
        for (std::size_t i = 0; i < trigger_inputs::n_values; i++)
            values[i] = i % 16;
        trigger_inputs::Event event = trigger_inputs::event_of(values);
        std::cout << event.class__ << " " << event.class_ << " " << event.pt << " " << event.ETA;
    }"""
    options = ["-std=gnu++14", "-Wall", "-Wextra", "-Werror"]
    [line] = printed(tmp_path, front_end, source, *options)
    places = [list(names).index(name) for name in ("class", "class_", "pt", "ETA")]
    assert line.split() == [str(place % 16) for place in places]
    text = (tmp_path / HEADER).read_text(encoding="utf-8")
    assert "// `class` is called class__\n// " in text
    assert "`ETA`" not in text


def test_objects_of_any_name_compile(tmp_path: Path) -> None:
    names = ["class", "Jet", "jet", "j_et", "Event", "event", "Field", "std", "detail"]
    labels = ["int", "Class", "Jet", "JEt", "Event", "pt", "pt_"]
    fields = {label: {"format": "ufixed<4,4>"} for label in labels}
    objects = {name: {"slots": 1 + i % 2, "fields": fields} for i, name in enumerate(names)}
    front_end = load_front_end({"objects": objects})
    source = """
    #include "inputs.h"
    #include <iostream>
    int main() {
        trigger_inputs::Event event = trigger_inputs::empty_event();
        event.class_.int_ = 1;
        event.class_.Class_ = 2;
        event.Jet__[1].Jet_ = 3;
        event.jet = trigger_inputs::Jet_{0, 0, 0, 0, 0, 0, 4};
        event.Event___.pt = 5;
        event.event[1].pt_ = 6;
        int numbers[trigger_inputs::n_values];
        trigger_inputs::to_hardware(event, numbers);
        for (std::size_t i = 0; i < trigger_inputs::n_values; i++)
            if (numbers[i])
                std::cout << i << " " << numbers[i] << std::endl;
    }
    """
    found = dict(line.split() for line in printed(tmp_path, front_end, source))
    wanted = ["class.int", "class.Class", "Jet.Jet[1]", "jet.pt_", "Event.pt", "event.pt_[1]"]
    places = [front_end.names.index(name) for name in wanted]
    assert found == {str(place): str(i + 1) for i, place in enumerate(places)}


@pytest.mark.parametrize("option", ["-ffast-math", "-ffinite-math-only"])
def test_mathematics_that_is_not_exact_is_refused(tmp_path: Path, option: str) -> None:
    write_inputs_header(tmp_path, load_front_end("adc2021"))
    result = subprocess.run(
        ["g++", option, "-fsyntax-only", str(tmp_path / EXAMPLE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "inputs.h must be compiled without -ffast-math" in result.stderr


def test_fields_without_format_have_that_of_the_input(tmp_path: Path) -> None:
    fields = {"a": {"last_bit": 0.5}, "b": {"format": "fixed<4,4>"}}
    front_end = load_front_end({"features": fields})
    message = (
        "^format of a must be stated for inputs.h, or that of the network's input be given, got"
    )
    with pytest.raises(InputError, match=message):
        render_inputs_header(front_end)
    form = FixedPointFormat(6, 4)
    write_inputs_header(tmp_path, front_end, form)
    result = run_program(compile_program(tmp_path, tmp_path / EXAMPLE), "1.3 1.3\n100 100\n")
    # Multiples of 1/4 up to 7.75, and integers up to 7.
    assert result.stdout == "2.5 1\n7.75 7\n"
    assert front_end.with_formats(form).port_format == form


def test_a_project_without_front_end(tmp_path: Path) -> None:
    write_inputs_header(tmp_path, None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["cms_ugt_run3", "straddling"])
def test_words_are_packed_as_in_python(name: str, tmp_path: Path) -> None:
    pt = {"format": "ufixed<9,9>", "low_bit": 28, "last_bit": 0.5}
    eta = {"format": "fixed<12,12>", "low_bit": 50, "last_bit": "0.087/8"}
    kind = {"slots": 2, "word_bits": 64, "empty": "pt == 0", "fields": {"pt": pt, "eta": eta}}
    given: dict[str, Any] = {"preset": name} if name in preset_names() else {"objects": {"a": kind}}
    front_end = load_front_end({**given, "packed": True})
    write_inputs_header(tmp_path, front_end)
    rng = np.random.default_rng(5)
    values = rng.normal(0, 60, (300, front_end.n_values)).round(3)
    lines = "".join(" ".join(map(repr, row)) + "\n" for row in values.tolist())
    result = run_program(compile_program(tmp_path, tmp_path / EXAMPLE), lines)
    assert result.returncode == 0, result.stderr
    found = np.array([line.split() for line in result.stdout.splitlines()], float)
    parts = port_values(front_end, front_end.to_hardware(values))
    np.testing.assert_array_equal(found, np.hstack([part.reshape(300, -1) for part in parts]))


def test_constants_are_those_of_python() -> None:
    text = render_inputs_header(load_front_end("cms_ugt_run3"))
    for shown in (
        '{"jet.phi", 0.043633231299858237, 8, false, 1.0, Rounding::half_even, Overflow::sat',
        '{"muon.eta", 0.010874999999999999, 9, true, 1.0, Rounding::half_even, Overflow::sat',
        "    double phi; // 1 is 2*pi/144 rad, ufixed<8,8>\n",
        "// jet: 12 slots; ordered by pt, the largest first; empty where pt == 0\n",
    ):
        assert shown in text
    assert float("0.043633231299858237") == 2 * math.pi / 144
