"""Names of a front end as names of C++."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable

#: Of C++ up to 2023.
_KEYWORDS = """
    alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor
    bool break case catch char char16_t char32_t char8_t class co_await co_return co_yield compl
    concept const const_cast consteval constexpr constinit continue decltype default delete do
    double dynamic_cast else enum explicit export extern false float for friend goto if inline int
    long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected
    public reflexpr register reinterpret_cast requires return short signed sizeof static
    static_assert static_cast struct switch synchronized template this thread_local throw true try
    typedef typeid typename typeof union unsigned using virtual void volatile wchar_t while xor
    xor_eq
"""
#: What the standard headers of g++ define as something else, beside errors of the system.
_MACROS = """
    BUFSIZ CSIGNAL EOF EHWPOISON INFINITY MAXFLOAT NAN NFDBITS NULL SNAN SNANF SNANL WCONTINUED WEOF
    WEXITED WNOHANG WNOWAIT WSTOPPED WUNTRACED alloca assert errno i386 linux math_errhandling
    offsetof sched_priority stderr stdin stdout unix
"""
_TAKEN = frozenset(_KEYWORDS.split()) | frozenset(_MACROS.split())
_TAKEN |= frozenset(vars(errno))
#: Macros such as INT_MAX, M_PI, L_tmpnam and SNANF32X.
_LIKE_A_MACRO = re.compile(r"[A-Z][A-Z0-9]*_\w*|SNANF\d+X?")


def cpp_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Different names in C++ by name, none of which is `taken`.

    Most stay. Keywords, names in capitals with an underscore and whatever else a standard header
    may define get an underscore behind, as many as it takes.
    """
    names = list(names)
    reserved = _TAKEN | frozenset(taken)
    found: dict[str, str] = {}
    # A name that stays is not given to another.
    refused = reserved | frozenset(names)
    given: set[str] = set()
    for name in names:
        chosen = name
        if name in reserved or _LIKE_A_MACRO.fullmatch(name):
            while chosen in refused or chosen in given:
                chosen += "_"
        given.add(chosen)
        found[name] = chosen
    return found


def cpp_types(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Different names of structures by name, none `taken`: `TauLepton` of `tau_lepton`."""
    found: dict[str, str] = {}
    for name in names:
        parts = [part for part in name.split("_") if part]
        capital = "".join(part[0].upper() + part[1:] for part in parts)
        [found[name]] = cpp_names([capital], {*taken, *found.values()}).values()
    return found
