"""What is connected to what, apart from what is minimized and from how numbers are represented."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from keras_ae.errors import InputError

Dimension = Annotated[int, Field(ge=1)]
Dimensions = Annotated[tuple[Dimension, ...], Field(strict=False)]


class _Architecture(BaseModel):
    """What every architecture has.

    `latent_activation` acts on the code: `relu` makes it sparse, `sigmoid` keeps it in (0, 1), as
    the KL sparsity penalty asks for. `condition_dim` features of a condition enter encoder and
    decoder; 0 for none. `batch_norm` normalizes the arguments of the hidden layers' ReLU over the
    batch (Ioffe & Szegedy, arXiv:1502.03167); in fixed point it is part of the weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    latent_dim: Dimension = 3
    latent_activation: Literal["linear", "relu", "sigmoid"] = "linear"
    condition_dim: int = Field(0, ge=0)
    batch_norm: bool = False


class ArchitectureSpec(_Architecture):
    """A dense autoencoder: input_dim, hidden_dims, latent_dim, and back in reverse order.

    Without hidden_dims it has one layer each way: linear, or the textbook's h = ReLU(Wx + b) with
    latent_activation `relu`. It is over-complete where latent_dim >= input_dim.
    """

    kind: Literal["dense"] = "dense"
    input_dim: Dimension
    hidden_dims: Dimensions = (32, 16)
    activation: Literal["relu"] = "relu"

    @model_validator(mode="after")
    def _check_normalization(self) -> Self:
        if self.batch_norm and not self.hidden_dims:
            raise InputError(
                "batch_norm must be false for hidden_dims [], got true: there is no hidden layer "
                "to normalize"
            )
        return self

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one event."""
        return (self.input_dim,)

    def __str__(self) -> str:
        return "-".join(map(str, (self.input_dim, *self.hidden_dims, self.latent_dim)))


class ConvolutionalSpec(_Architecture):
    """An autoencoder of images: each stage is a convolution, ReLU and halving of the size.

    The decoder mirrors it: `upsample` doubles the size by repetition before a convolution, which
    hls4ml can convert; `transpose` is a transposed convolution of stride 2, which it cannot.

    Args:
        image_shape: height, width and channels; halved once for each of `filters`.
        filters: channels of each stage.
        kernel_size: of every convolution, in pixels.
        hidden_dims: dense layers between the last stage and the code.
        pooling: what halves the size, the largest or the mean of 2x2 pixels.
    """

    kind: Literal["convolutional"]
    image_shape: Annotated[tuple[Dimension, Dimension, Dimension], Field(strict=False)]
    filters: Annotated[tuple[Dimension, ...], Field(strict=False, min_length=1)] = (8, 8)
    kernel_size: Dimension = 3
    hidden_dims: Dimensions = ()
    upsampling: Literal["upsample", "transpose"] = "upsample"
    pooling: Literal["max", "average"] = "max"

    @model_validator(mode="after")
    def _check_halving(self) -> Self:
        factor = 2 ** len(self.filters)
        if any(size % factor for size in self.image_shape[:2]):
            raise InputError(
                f"image_shape must have a height and width divisible by {factor}, halved once for "
                f"each of {len(self.filters)} filters, got {self.image_shape[:2]}"
            )
        return self

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one event: height, width, channels."""
        return self.image_shape

    @property
    def input_dim(self) -> int:
        """Number of features of one event."""
        return math.prod(self.image_shape)

    @property
    def innermost_shape(self) -> tuple[int, int, int]:
        """Of the last stage's output."""
        factor = 2 ** len(self.filters)
        height, width, _ = self.image_shape
        return height // factor, width // factor, self.filters[-1]

    def __str__(self) -> str:
        stages = "-".join(f"c{channels}" for channels in self.filters)
        dense = "-".join(map(str, (*self.hidden_dims, self.latent_dim)))
        return f"{'x'.join(map(str, self.image_shape))}-{stages}-{dense}"


def _kind(content: Any) -> str:
    if isinstance(content, dict):
        return str(content.get("kind", "dense"))
    return str(getattr(content, "kind", "dense"))


#: Any architecture; in YAML, `kind` is `dense` where it is not named.
Architecture = Annotated[
    Annotated[ArchitectureSpec, Tag("dense")] | Annotated[ConvolutionalSpec, Tag("convolutional")],
    Discriminator(_kind),
]
