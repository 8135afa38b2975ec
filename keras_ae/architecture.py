"""What is connected to what, apart from what is minimized and from how numbers are represented."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Dimension = Annotated[int, Field(ge=1)]


class ArchitectureSpec(BaseModel):
    """A dense autoencoder: input_dim, hidden_dims, latent_dim, and back in reverse order."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    input_dim: Dimension
    hidden_dims: Annotated[tuple[Dimension, ...], Field(strict=False)] = (32, 16)
    latent_dim: Dimension = 3
    activation: Literal["relu"] = "relu"

    def __str__(self) -> str:
        return "-".join(map(str, (self.input_dim, *self.hidden_dims, self.latent_dim)))
