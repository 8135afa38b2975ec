"""A parametrized detector: smeared particles, isolated leptons, jets, missing transverse momentum.

In the spirit of Delphes' CMS card, not compared with it: tracks, an electromagnetic and a hadronic
calorimeter with Gaussian resolutions, efficiencies that depend on pseudorapidity. FastJet has its
one importer here. Momenta and energies in GeV.

Pile-up is treated as where the vertex of each track is known: tracks of other collisions are
dropped. What leaves no track stays; its median density, in a central and a forward ring, is
subtracted from jets by their area and from isolation cones. The missing transverse momentum has
what is left.
"""

from __future__ import annotations

import awkward as ak
import fastjet
import numpy as np
import vector

from keras_ae.data.l1 import (
    ELECTRON,
    JET,
    LEPTONS,
    MET,
    MUON,
    N_OBJECTS,
    TRIGGER_LEPTON_PT_GEV,
    ObjectClass,
)
from keras_ae.generator.density import density_at, median_density

CALORIMETER_MAX_ETA = 5.0
TRACKER_MAX_ETA = 2.5
BARREL_MAX_ETA = 1.5
TRACK_MIN_PT_GEV = 0.5

PHOTON_ID = 22
ELECTRON_ID = 11
NEUTRINO_IDS = (12, 14, 16)
# Of what reaches the detector (ParticleDecays:tau0Max), these are neutral.
NEUTRAL_IDS = (PHOTON_ID, 130, 310, 2112, 3122, 3322)

LEPTON_MIN_PT_GEV = 3.0
ISOLATION_RADIUS = 0.3
MAX_RELATIVE_ISOLATION = 0.45
JET_RADIUS = 0.4
JET_MIN_PT_GEV = 15.0

PILE_UP_MITIGATION = (
    "tracks of other vertices dropped; median density times area subtracted from jets and cones"
)
_DENSITY_EDGES = (0.0, TRACKER_MAX_ETA, CALORIMETER_MAX_ETA)


def simulate_detector(
    particles: ak.Array, rng: np.random.Generator, pile_up: ak.Array | None = None
) -> np.ndarray:
    """Trigger objects of each collision.

    Args:
        particles: final-state particles (events, particles), see `collisions.PARTICLE_FIELDS`.
        rng: smears momenta and drops particles.
        pile_up: particles (events, particles) of other collisions in the same crossing.

    Returns:
        Objects (events, 19, 4) float32: pT [GeV], eta, phi, class; laid out as in `data.l1`.
    """
    seen = _measure(particles, rng)
    densities = None
    if pile_up is not None:
        others = _measure(pile_up, rng)
        seen = ak.concatenate([seen, others[~others.tracked]], axis=1)
        densities = median_density(seen[~seen.tracked], _DENSITY_EDGES)
    isolated = _isolated_leptons(seen, rng, densities)
    jets = _cluster_jets(seen[~isolated], densities)
    leptons = seen[isolated]

    objects = np.zeros((len(particles), N_OBJECTS, 4), np.float32)
    met_x, met_y = -ak.sum(seen.px, axis=1), -ak.sum(seen.py, axis=1)
    met = ak.zip({"pt": np.hypot(met_x, met_y), "eta": 0 * met_x, "phi": np.arctan2(met_y, met_x)})
    _fill(objects, MET, ak.unflatten(met, 1))
    for kind in LEPTONS:
        _fill(objects, kind, leptons[abs(leptons.pdg_id) == kind.pdg_id])
    _fill(objects, JET, jets)
    return objects


def pass_trigger(objects: np.ndarray) -> np.ndarray:
    """Whether each event (events, 19, 4) has an electron or muon above 23 GeV: (events,) bool."""
    passed = np.zeros(len(objects), bool)
    for kind in LEPTONS:
        passed |= (objects[:, kind.slots, 0] > TRIGGER_LEPTON_PT_GEV).any(axis=1)
    return passed


def _measure(particles: ak.Array, rng: np.random.Generator) -> ak.Array:
    """Visible particles with measured momenta; masses are neglected."""
    counts = ak.num(particles)
    pdg_id, px, py, pz = (
        ak.to_numpy(ak.flatten(particles[name])) for name in ("pdg_id", "px", "py", "pz")
    )
    energy = ak.to_numpy(ak.flatten(particles.e))
    kind = np.abs(pdg_id)
    pt = np.hypot(px, py)
    momentum = np.hypot(pt, pz)
    eta = np.arcsinh(pz / np.maximum(pt, 1e-9))
    barrel = np.abs(eta) < BARREL_MAX_ETA

    neutral = np.isin(kind, NEUTRAL_IDS)
    tracked = (
        ~neutral
        & (np.abs(eta) < TRACKER_MAX_ETA)
        & (pt > TRACK_MIN_PT_GEV)
        & (rng.random(pt.size) < np.where(barrel, 0.95, 0.85))
    )
    track_sigma = np.hypot(np.where(barrel, 0.01, 0.02), 1.5e-4 * pt)

    electromagnetic = np.isin(kind, (ELECTRON_ID, PHOTON_ID))
    root = np.sqrt(np.maximum(energy, 1e-9))
    em_sigma = np.sqrt((0.07 / root) ** 2 + 0.007**2 + (0.35 / root**2) ** 2)
    hadron_sigma = np.sqrt((1.1 / root) ** 2 + 0.09**2)
    calorimeter_sigma = np.where(electromagnetic, em_sigma, hadron_sigma)

    sigma = np.where(tracked, track_sigma, calorimeter_sigma)
    response = np.maximum(1 + sigma * rng.standard_normal(pt.size), 0)
    visible = (
        ~np.isin(kind, NEUTRINO_IDS)
        & (np.abs(eta) < CALORIMETER_MAX_ETA)
        & ((kind != MUON.pdg_id) | tracked)
        & (response > 0)
        & (momentum > 0)
    )
    measured = ak.zip(
        {
            "pdg_id": pdg_id,
            "tracked": tracked,
            "pt": response * pt,
            "eta": eta,
            "phi": np.arctan2(py, px),
            "px": response * px,
            "py": response * py,
            "pz": response * pz,
            "e": response * momentum,
        }
    )
    return ak.unflatten(measured, counts)[ak.unflatten(visible, counts)]


def _isolated_leptons(
    seen: ak.Array, rng: np.random.Generator, densities: np.ndarray | None
) -> ak.Array:
    """Mask (events, particles) of identified, isolated electrons and muons."""
    counts = ak.to_numpy(ak.num(seen))
    kind, pt, eta = (ak.to_numpy(ak.flatten(seen[name])) for name in ("pdg_id", "pt", "eta"))
    draw = rng.random(kind.size)
    identified = np.zeros(kind.size, bool)
    for lepton, barrel_efficiency, endcap_efficiency in (
        (ELECTRON, 0.95, 0.85),
        (MUON, 0.95, 0.95),
    ):
        barrel = np.abs(eta) < BARREL_MAX_ETA
        identified |= (
            (np.abs(kind) == lepton.pdg_id)
            & (np.abs(eta) < lepton.max_eta)
            & (draw < np.where(barrel, barrel_efficiency, endcap_efficiency))
        )
    identified &= pt > LEPTON_MIN_PT_GEV

    place = ak.unflatten(np.arange(kind.size), counts)
    others = ak.zip({"eta": seen.eta, "phi": seen.phi, "pt": seen.pt, "place": place})
    leptons = others[ak.unflatten(identified, counts)]
    pairs = ak.cartesian({"lepton": leptons, "other": others}, nested=True)
    d_eta = pairs.lepton.eta - pairs.other.eta
    d_phi = (pairs.lepton.phi - pairs.other.phi + np.pi) % (2 * np.pi) - np.pi
    near = d_eta**2 + d_phi**2 < ISOLATION_RADIUS**2
    near = near & (pairs.lepton.place != pairs.other.place)
    around = ak.sum(ak.where(near, pairs.other.pt, 0.0), axis=-1)
    if densities is not None:
        local = density_at(densities, _DENSITY_EDGES, leptons.eta)
        around = around - np.pi * ISOLATION_RADIUS**2 * local
    isolated = leptons.place[around < MAX_RELATIVE_ISOLATION * leptons.pt]

    mask = np.zeros(kind.size, bool)
    mask[ak.to_numpy(ak.flatten(isolated))] = True
    return ak.unflatten(mask, counts)


def _cluster_jets(particles: ak.Array, densities: np.ndarray | None) -> ak.Array:
    """Anti-kT jets, pT-ordered, within acceptance: fields pt, eta, phi."""
    vector.register_awkward()
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, JET_RADIUS)
    momenta = ak.zip(
        {name: particles[name] for name in ("px", "py", "pz", "e")}, with_name="Momentum4D"
    )
    jets = fastjet.ClusterSequence(momenta, definition).inclusive_jets(min_pt=JET_MIN_PT_GEV)
    pt = np.hypot(jets.px, jets.py)
    jets = ak.zip({"pt": pt, "eta": np.arcsinh(jets.pz / pt), "phi": np.arctan2(jets.py, jets.px)})
    jets = jets[abs(jets.eta) < JET.max_eta]
    if densities is None:
        return jets
    # An anti-kT jet is a circle.
    local = density_at(densities, _DENSITY_EDGES, jets.eta)
    jets["pt"] = jets.pt - np.pi * JET_RADIUS**2 * local
    return jets[jets.pt > JET_MIN_PT_GEV]


def cluster_fat_jets(particles: ak.Array, radius: float, min_pt_gev: float) -> ak.Array:
    """Constituents of anti-kT jets of visible particles, as an ideal detector sees them.

    Args:
        particles: final-state particles (events, particles), see `collisions.PARTICLE_FIELDS`.
        radius: of the jets, in (rapidity, azimuth).
        min_pt_gev: of the jets.

    Returns:
        Four-vectors (events, jets, constituents): fields px, py, pz, e [GeV]. Jets in no order.
    """
    vector.register_awkward()
    flat_ids, counts = ak.flatten(particles.pdg_id), ak.num(particles)
    visible = ak.unflatten(~np.isin(abs(flat_ids), NEUTRINO_IDS), counts)
    visible = visible & (
        abs(particles.pz) < np.sinh(CALORIMETER_MAX_ETA) * np.hypot(particles.px, particles.py)
    )
    momenta = ak.zip(
        {name: particles[name][visible] for name in ("px", "py", "pz", "e")},
        with_name="Momentum4D",
    )
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    return fastjet.ClusterSequence(momenta, definition).constituents(min_pt=min_pt_gev)


def _fill(objects: np.ndarray, kind: ObjectClass, found: ak.Array) -> None:
    """Write the hardest `found` (events, any number) into the slots of their class."""
    found = found[ak.argsort(found.pt, ascending=False)]
    padded = ak.pad_none(found, kind.n_slots, clip=True)
    for column, name in enumerate(("pt", "eta", "phi")):
        objects[:, kind.slots, column] = ak.to_numpy(ak.fill_none(padded[name], 0.0))
    objects[:, kind.slots, 3] = np.where(objects[:, kind.slots, 0] > 0, kind.class_id, 0)
