"""The rules, their levels and limits."""

from __future__ import annotations

from keras_ae.audit import of_objects, of_samples, of_values
from keras_ae.audit.report import Finding
from keras_ae.audit.rule import Rule, Samples

#: In the order in which they are asked; of two that say the same, the stricter comes first.
#: A limit is the largest share of slots or events that nothing is said of, or what stands beside.
RULES = (
    # One is too many: what is learned of it is nothing that a trigger sees.
    Rule("not_finite", "error", 0.0, of_values.not_finite),
    Rule("off_format", "error", 0.0, of_values.off_format),
    # A trigger's missing momentum of zero may have a direction.
    Rule("in_empty", "warning", 0.001, of_values.in_empty),
    Rule("negative", "error", 0.0, of_values.negative),
    Rule("not_zero", "error", 0.0, of_values.not_zero),
    # Simulated angles may leave the turn by their resolution, seldom.
    Rule("beyond_a_turn", "error", 0.001, of_values.beyond_a_turn),
    Rule("far_beyond_a_turn", "error", 0.0, of_values.far_beyond_a_turn, "beyond_a_turn"),
    # Of MeV for GeV most saturates; of the electrons of a trigger, a hundredth does.
    Rule("background_saturates", "error", 0.1, of_values.background_saturates),
    Rule("saturates", "warning", 0.02, of_values.saturates, "background_saturates"),
    # Of TeV for GeV all is lost; of missing momentum that is nearly zero, a hundredth.
    Rule("most_to_zero", "error", 0.5, of_values.most_rounds_to_zero),
    Rule("to_zero", "warning", 0.25, of_values.rounds_to_zero, "most_to_zero"),
    # Distances of distributions, 0 to 1, beyond what chance gives: eta has 0.06 to 1, phi none.
    Rule("exchanged", "error", 0.03, of_samples.exchanged),
    Rule("not_uniform", "warning", 0.15, of_samples.not_uniform, "exchanged"),
    Rule("off_order", "error", 0.0, of_objects.off_order),
    Rule("gaps", "error", 0.0, of_objects.gaps),
    Rule("other_class", "error", 0.0, of_objects.other_class),
    Rule("empty_events", "error", 0.5, of_objects.empty_events),
    Rule("never_filled", "warning", 20, of_objects.never_filled, "empty_events"),
    # Number of filled slots from which on one value is odd.
    Rule("constant", "warning", 20, of_values.constant, "most_to_zero"),
    Rule("padded", "warning", 0.001, of_samples.padded),
    # Factors beside the background: a signal may differ, but not as units do.
    Rule("other_unit", "warning", 20, of_samples.other_unit),
    Rule("other_spread", "warning", 100, of_samples.other_spread),
    Rule("other_occupancy", "warning", 10, of_samples.other_occupancy),
    Rule("duplicates", "warning", 0.01, of_samples.duplicates),
    Rule("in_background", "warning", 0.001, of_samples.in_background),
)


def findings(samples: Samples) -> tuple[Finding, ...]:
    """What all rules find, errors first."""
    found: list[Finding] = []
    for rule in RULES:
        said = {(each.sample, each.field) for each in found if each.rule == rule.instead_of}
        found += [each for each in rule.findings(samples) if (each.sample, each.field) not in said]
    return tuple(sorted(found, key=lambda finding: finding.level))
