"""Figures of arrays; the one importer of matplotlib.

curves    training curves, ROC, score distributions, rate and distortion, contributions
images    images beside their reconstructions, averages, strips
latent    the latent space
fidelity  what is lost from float to firmware
pareto    physics against resources
ranges    what numbers take beside what formats give
fields    fields of events, the signals beside the background
figure    writing a figure
"""

from keras_ae.plots.curves import (
    feature_contributions,
    rate_distortion_curve,
    roc_curves,
    score_distributions,
    training_curves,
)
from keras_ae.plots.fidelity import layer_error_bars, roc_overlay, score_scatter
from keras_ae.plots.fields import field_distributions
from keras_ae.plots.figure import element_of, save, svg
from keras_ae.plots.images import average_images, interpolation_strip, reconstructions
from keras_ae.plots.latent import latent_grid, latent_map
from keras_ae.plots.pareto import Design, designs_compared, pareto_front
from keras_ae.plots.ranges import tensor_ranges

__all__ = [
    "Design",
    "average_images",
    "designs_compared",
    "element_of",
    "feature_contributions",
    "field_distributions",
    "interpolation_strip",
    "latent_grid",
    "latent_map",
    "layer_error_bars",
    "pareto_front",
    "rate_distortion_curve",
    "reconstructions",
    "roc_curves",
    "roc_overlay",
    "save",
    "score_distributions",
    "score_scatter",
    "svg",
    "tensor_ranges",
    "training_curves",
]
