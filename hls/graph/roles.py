"""Which node gives which tensor of the networks: by role, or by the name of a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from keras_ae.errors import InputError
from keras_ae.settings.tensor_scores import ROLES

#: Of an encoder's two outputs, in their order.
CODE_ROLES = ("latent_mean", "latent_log_var")


@dataclass
class Roles:
    """Nodes of a graph by what they are to the trigger; one for each role, and for each layer.

    `of_role` and `of_layer` hold all nodes that come into question: of several, none is taken
    before the user says which. With `roles_first` a role hides a layer of its name: so they do in
    the models of this package, whose layers are called after the roles.
    """

    roles_first: bool = False
    of_role: dict[str, list[str]] = field(default_factory=dict)
    of_layer: dict[str, list[str]] = field(default_factory=dict)

    def add_layers(self, tensors: Mapping[str, str]) -> None:
        """The layers of a network, by name."""
        for layer, node in tensors.items():
            self.of_layer.setdefault(layer, []).append(node)

    def add(self, role: str, nodes: Iterable[str]) -> None:
        """More nodes that could have a role."""
        self.of_role.setdefault(role, []).extend(nodes)

    def assign(self, chosen: Mapping[str, str]) -> None:
        """The user's own mapping, from roles to names of layers, in place of the networks' ends.

        What has become one part of the code is not the other any more.

        Raises:
            InputError: a role that is none, or a name that is no layer's or that of two.
        """
        if not isinstance(chosen, Mapping):
            raise InputError(f"roles must be a mapping from roles to layers, got {chosen!r}")
        for role, layer in chosen.items():
            if role not in ROLES:
                raise InputError(f"roles must be of {', '.join(ROLES)}, got {role!r}")
            if layer not in self.of_layer:
                raise InputError(
                    f"role '{role}' must be of one of the layers {', '.join(self.of_layer)}, got "
                    f"{layer!r}"
                )
            self.of_role[role] = [self._one(f"role '{role}'", self.of_layer[layer])]
        taken = [self.of_role[role][0] for role in CODE_ROLES if role in chosen]
        for role in CODE_ROLES:
            if role not in chosen:
                free = [node for node in self.of_role.get(role, []) if node not in taken]
                self.of_role[role] = free

    def find(self, name: str, subject: str) -> str:
        """The node of a role or of a layer.

        Raises:
            InputError: none, or two, such as a role's and another of a layer that is called like
                the role; named after `subject`.
        """
        of_role, of_layer = self.of_role.get(name, []), self.of_layer.get(name, [])
        hidden = [] if self.roles_first or set(of_role) & set(of_layer) else of_layer
        if of_role and hidden:
            raise InputError(
                f"{subject}: '{name}' must be one tensor, got role '{name}', which is "
                f"'{of_role[0]}', and layer '{name}': rename the layer, or name it in roles"
            )
        if of_role or of_layer:
            return self._one(f"{subject}: '{name}'", of_role or of_layer)
        return self._missing(name, subject)

    def find_role(self, role: str, subject: str) -> str:
        """The node of a role, whatever layers are called; raises as `find` does."""
        nodes = self.of_role.get(role)
        return self._one(f"{subject}: '{role}'", nodes) if nodes else self._missing(role, subject)

    def _missing(self, name: str, subject: str) -> NoReturn:
        """Raise InputError for a name that nothing has."""
        if name in ROLES:
            raise InputError(
                f"{subject}: role '{name}' must be a tensor of the network, got none: name its "
                f"layer, roles={{'{name}': LAYER}}, one of {', '.join(self.of_layer)}"
            )
        raise InputError(
            f"{subject}: tensor must be one of the roles {', '.join(self.known)} or the layers "
            f"{', '.join(self.of_layer)}, got {name!r}"
        )

    @property
    def known(self) -> tuple[str, ...]:
        """Roles that some node has."""
        return tuple(role for role in ROLES if self.of_role.get(role))

    @staticmethod
    def _one(subject: str, nodes: Sequence[str]) -> str:
        found = list(dict.fromkeys(nodes))
        if len(found) > 1:
            raise InputError(
                f"{subject} must be one tensor, got {len(found)}, {', '.join(found)}: name the "
                "layer of the one that is meant"
            )
        return found[0]
