"""Where files of known kinds have the fields of objects: the names of their branches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LayoutName = Literal["nanoaod", "l1_upgrade"]


@dataclass(frozen=True)
class Layout:
    """Branches of the fields of collections.

    Args:
        tree: of a ROOT file.
        branches: by collection and field, in the order in which they are looked for; a number is a
            constant.
        where: by collection, branches and the value that an object must have in each.
    """

    tree: str
    branches: Mapping[str, Mapping[str, tuple[str, ...] | float]]
    where: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def _nanoaod() -> Layout:
    prefixes = {
        "electron": "Electron",
        # What the trigger cannot tell from an electron NanoAOD has as electrons.
        "egamma": "Electron",
        "photon": "Photon",
        "muon": "Muon",
        "tau": "Tau",
        "jet": "Jet",
    }
    objects = {
        name: {label: (f"{prefix}_{label}",) for label in ("pt", "eta", "phi", "mass")}
        for name, prefix in prefixes.items()
    }
    # NanoAOD has had no MET since version 15.
    met = {label: (f"MET_{label}", f"PuppiMET_{label}") for label in ("pt", "phi")}
    return Layout("Events", {**objects, "met": {**met, "eta": 0.0}})


def _l1_upgrade() -> Layout:
    """Of the trees that CMS' L1TNtuples write: floats in physical units, all crossings (`Bx`)."""
    calorimeter = {"pt": "Et", "eta": "Eta", "phi": "Phi"}
    isolated = {**calorimeter, "isolation": "Iso"}
    # The global trigger's eta and phi are those at the vertex.
    muon = {
        "pt": "Et",
        "eta": "EtaAtVtx",
        "phi": "PhiAtVtx",
        "phi_station": "Phi",
        "isolation": "Iso",
        "quality": "Qual",
        "index": "TfMuonIdx",
        "pt_unconstrained": "EtUnconstrained",
    }
    kinds = {
        "jet": ("jet", calorimeter),
        "electron": ("eg", isolated),
        "egamma": ("eg", isolated),
        "tau": ("tau", isolated),
        "muon": ("muon", muon),
    }
    branches: dict[str, Mapping[str, tuple[str, ...] | float]] = {
        name: {label: (prefix + branch,) for label, branch in fields.items()}
        for name, (prefix, fields) in kinds.items()
    }
    where = {name: {f"{prefix}Bx": 0.0} for name, (prefix, _) in kinds.items()}
    # Numbers of the kinds of sums, see CMS' EtSum.
    for name, number in {"ett": 0, "htt": 1, "met": 2, "htm": 3, "etmhf": 8}.items():
        branches[name] = {"pt": ("sumEt",), "phi": ("sumPhi",), "eta": 0.0}
        where[name] = {"sumType": float(number), "sumBx": 0.0}
    return Layout("l1UpgradeTree/L1UpgradeTree", branches, where)


#: By name.
LAYOUTS: Mapping[str, Layout] = {"nanoaod": _nanoaod(), "l1_upgrade": _l1_upgrade()}
