"""Figures of arrays; the one importer of matplotlib.

curves    training curves, ROC, score distributions, rate and distortion, contributions
images    images beside their reconstructions, averages, strips
latent    the latent space
figure    writing a figure
"""

from keras_ae.plots.curves import (
    feature_contributions,
    rate_distortion_curve,
    roc_curves,
    score_distributions,
    training_curves,
)
from keras_ae.plots.figure import save
from keras_ae.plots.images import average_images, interpolation_strip, reconstructions
from keras_ae.plots.latent import latent_grid, latent_map

__all__ = [
    "average_images",
    "feature_contributions",
    "interpolation_strip",
    "latent_grid",
    "latent_map",
    "rate_distortion_curve",
    "reconstructions",
    "roc_curves",
    "save",
    "score_distributions",
    "training_curves",
]
