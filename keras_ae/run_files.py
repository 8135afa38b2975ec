"""Where the files of a run are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """Of one experiment's directory.

    experiment.yaml     what was asked for, with every default
    run.json            format, version, finished stages with the digest of their inputs
    audit.json, fields/ what is odd in the events, their numbers by field, and a figure of each
    inputs_*.json       hardware values -> network inputs, of the float model and of a student
    embedding.keras (with an embedding, and its projector), float.keras, student.keras (with a
    student), quantized.keras, history_*.json
    teachers/           whose scores a student learns beside the float model's, and what it learns
    teacher_scores/     what of them is slow and has been asked for; may be removed
    metrics.json, plots/
    trigger.npz, trigger.json, firmware/
    validation.json, fidelity.html, synthesis.json
    rtl/, rtl.json, resources.json
    """

    folder: Path

    @property
    def experiment_path(self) -> Path:
        return self.folder / "experiment.yaml"

    @property
    def record_path(self) -> Path:
        return self.folder / "run.json"

    @property
    def audit_path(self) -> Path:
        return self.folder / "audit.json"

    @property
    def fields_folder(self) -> Path:
        return self.folder / "fields"

    def inputs_path(self, precision: str) -> Path:
        """`precision`: float, or student with a student."""
        return self.folder / f"inputs_{precision}.json"

    def model_path(self, precision: str) -> Path:
        """`precision`: embedding, float, student or quantized."""
        return self.folder / f"{precision}.keras"

    @property
    def teachers_folder(self) -> Path:
        return self.folder / "teachers"

    @property
    def teacher_scores_folder(self) -> Path:
        return self.folder / "teacher_scores"

    def history_path(self, precision: str) -> Path:
        return self.folder / f"history_{precision}.json"

    @property
    def metrics_path(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def plots_folder(self) -> Path:
        return self.folder / "plots"

    @property
    def trigger_graph_path(self) -> Path:
        return self.folder / "trigger.npz"

    @property
    def trigger_path(self) -> Path:
        return self.folder / "trigger.json"

    @property
    def firmware_folder(self) -> Path:
        return self.folder / "firmware"

    @property
    def validation_path(self) -> Path:
        return self.folder / "validation.json"

    @property
    def fidelity_page_path(self) -> Path:
        return self.folder / "fidelity.html"

    @property
    def synthesis_path(self) -> Path:
        return self.folder / "synthesis.json"

    @property
    def rtl_folder(self) -> Path:
        return self.folder / "rtl"

    @property
    def rtl_path(self) -> Path:
        return self.folder / "rtl.json"

    @property
    def resources_path(self) -> Path:
        return self.folder / "resources.json"
