"""The simulated processes, as Pythia 8 settings, and the background cocktail."""

from __future__ import annotations

from dataclasses import dataclass

#: Settings shared by all processes: LHC run 2 energy; particles that fly further than 10 mm
#: (K_S, Lambda, charged pions and kaons) reach the detector undecayed.
COMMON_SETTINGS = (
    "Beams:eCM = 13000.",
    "Print:quiet = on",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10.",
)

MINIMUM_BIAS_SETTINGS = ("SoftQCD:inelastic = on",)


@dataclass(frozen=True)
class Process:
    """One hard process.

    `settings` are Pythia 8 command lines. With `heavy_flavour_filter` the event must hold a b or c
    quark that can give a triggering lepton, and is hadronized and decayed many times (see
    `heavy_flavour`). `chunk_size` is the number of accepted events that one
    worker makes in roughly a minute.
    """

    name: str
    description: str
    settings: tuple[str, ...]
    chunk_size: int
    heavy_flavour_filter: bool = False


PROCESSES: dict[str, Process] = {
    process.name: process
    for process in (
        Process(
            "w_lnu",
            "W -> l nu (l = e, mu, tau)",
            (
                "WeakSingleBoson:ffbar2W = on",
                "24:onMode = off",
                "24:onIfAny = 11 13 15",
            ),
            chunk_size=2000,
        ),
        Process(
            "qcd",
            "QCD multijet, pT-hat > 30 GeV, lepton from a b or c quark",
            ("HardQCD:all = on", "PhaseSpace:pTHatMin = 30."),
            chunk_size=500,
            heavy_flavour_filter=True,
        ),
        Process(
            "z_ll",
            "Z/gamma* -> l l (l = e, mu, tau), m > 20 GeV",
            (
                "WeakSingleBoson:ffbar2gmZ = on",
                "PhaseSpace:mHatMin = 20.",
                "23:onMode = off",
                "23:onIfAny = 11 13 15",
            ),
            chunk_size=1000,
        ),
        Process("tt", "t tbar", ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"), chunk_size=200),
        Process(
            "a_4l",
            "A (50 GeV) -> Z* Z* -> 4 l, made in gluon fusion",
            (
                "HiggsSM:gg2H = on",
                "25:m0 = 50.",
                "25:mMin = 45.",
                "25:mMax = 55.",
                "23:mMin = 1.",
                "25:onMode = off",
                "25:onIfMatch = 23 23",
                "23:onMode = off",
                "23:onIfAny = 11 13",
            ),
            chunk_size=2000,
        ),
        Process(
            "lq_btau",
            "LQ LQbar (80 GeV each) -> b tau b tau",
            (
                "LeptoQuark:gg2LQLQbar = on",
                "LeptoQuark:qqbar2LQLQbar = on",
                "42:m0 = 80.",
                "42:mMin = 40.",
                "42:mMax = 160.",
                "42:0:products = 5 -15",
            ),
            chunk_size=1000,
        ),
        Process(
            "h0_tautau",
            "h0 (60 GeV) -> tau tau, made in gluon fusion",
            (
                "HiggsSM:gg2H = on",
                "25:m0 = 60.",
                "25:mMin = 50.",
                "25:onMode = off",
                "25:onIfMatch = 15 -15",
            ),
            chunk_size=500,
        ),
        # Single production is the only 2 -> 1 process and the only one that needs no other new
        # particle or top quark; the public set does not name its own production mode.
        Process(
            "hch_taunu",
            "h+- (60 GeV) -> tau nu, single production q qbar' -> h+-, leptonic tau decays",
            (
                "Higgs:useBSM = on",
                "HiggsBSM:ffbar2H+- = on",
                "37:m0 = 60.",
                "37:mMin = 50.",
                "37:mMax = 70.",
                "37:onMode = off",
                "37:onIfMatch = 15 16",
                # A lepton is required anyway: decaying tau -> hadrons would only cost time.
                "15:onMode = off",
                "15:onIfAny = 11 13",
            ),
            chunk_size=250,
        ),
    )
}

_BOOSTED_SETTINGS = (
    "Beams:eCM = 14000.",
    "PhaseSpace:pTHatMin = 525.",
    "PhaseSpace:pTHatMax = 850.",
)

#: For jet images; the public top-tagging set (arXiv:1902.09914) was made at 14 TeV.
JET_PROCESSES: dict[str, Process] = {
    process.name: process
    for process in (
        Process("qcd", "QCD jets", ("HardQCD:all = on", *_BOOSTED_SETTINGS), chunk_size=1000),
        Process(
            "top",
            "t tbar, both hadronic",
            (
                "Top:gg2ttbar = on",
                "Top:qqbar2ttbar = on",
                "24:onMode = off",
                "24:onIfAny = 1 2 3 4 5",
                *_BOOSTED_SETTINGS,
            ),
            chunk_size=1000,
        ),
    )
}

#: Proportions of the ADC2021 background after its lepton requirement (arXiv:2107.02157), in %.
BACKGROUND_PERCENT = {"w_lnu": 59.2, "qcd": 33.8, "z_ll": 6.7, "tt": 0.3}

SIGNALS = ("a_4l", "lq_btau", "h0_tautau", "hch_taunu")


def background_counts(n_events: int) -> dict[str, int]:
    """Split `n_events` over the background processes in the proportions of `BACKGROUND_PERCENT`.

    The counts add up to `n_events` exactly (largest remainder).
    """
    exact = {name: n_events * percent / 100 for name, percent in BACKGROUND_PERCENT.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: n_events - sum(counts.values())]:
        counts[name] += 1
    return counts
