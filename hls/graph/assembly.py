"""Inputs and networks of a model as nodes of a trigger graph that grows, and their roles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import keras

from hls.graph.grid import Grid
from hls.graph.keras_layers import HardwareInput
from hls.graph.keras_network import check_keras, check_network, read_network
from hls.graph.layer import GraphInput, Layer
from hls.graph.layer_graph import LayerGraph, not_unique
from hls.graph.layers.measured_inputs import AbsoluteValues, RelativeAngles
from hls.graph.layers.moving_layers import Reshape
from hls.graph.layers.quantizer import Quantizer
from hls.graph.layers.scale_inputs import ScaleInputs
from hls.graph.node import Node
from hls.graph.packed_ports import unpacked_inputs
from hls.graph.refusal import Refusal
from hls.graph.roles import CODE_ROLES, Roles
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.front_end.scaled_inputs import ScaledInputs
from keras_ae.models import Autoencoder, ScoringModel, Student
from keras_ae.settings.tensor_scores import NAMED_SCORES

#: A model of this package, one network with or without its score, or encoder and decoder.
Networks: TypeAlias = ScoringModel | keras.Model | tuple[keras.Model, keras.Model]
#: Of the first input, or of each by its name; or the front end whose values the first input takes.
InputFormats: TypeAlias = (
    FixedPointFormat | str | Mapping[str, FixedPointFormat | str] | FrontEnd | None
)

#: What the graph calls its own nodes; a layer of such a name gets that of its network before it.
_OWN_NAMES = frozenset(
    {"flat", "relative_angles", "absolute_values", "scaled", "rounded", "scale"}
    | {"probability", "threshold", "trigger", *NAMED_SCORES}
    | {f"{name}_table" for name in NAMED_SCORES}
)


class Assembly:
    """Nodes of the inputs and networks of a model, and which of their tensors has which role.

    Args:
        model: see `Networks`.
        scaler: what the network sees of hardware values; None where it takes them as they are.
        input_formats: where they do not follow from the quantizers behind the inputs.
        roles: names of layers by role, where they do not follow from the ends of the networks.
        taken: names that nodes will have that are added later.
    """

    def __init__(
        self,
        model: Networks,
        scaler: ScaledInputs | None = None,
        input_formats: InputFormats = None,
        roles: Mapping[str, str] | None = None,
        taken: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.roles = Roles(roles_first=isinstance(model, ScoringModel))
        self.inputs: tuple[str, ...] = ()
        #: What the encoder, or the one network, gives.
        self.ends: tuple[str, ...] = ()
        self._nodes: dict[str, Node] = {}
        self._taken = _OWN_NAMES | set(taken)
        embedding, encoder, decoder = networks_of(model)
        if embedding is None:
            code = self._add_first(encoder, scaler, input_formats)
        else:
            embedded = self._add_first(embedding, scaler, input_formats)
            # It takes the event's place: that is what is reconstructed.
            self.roles.of_role["input"] = list(embedded)
            self.roles.add("embedding", embedded)
            (end,) = _input_layers(encoder)
            code = self._add_behind(encoder, {end.name: embedded[0]})
        self.ends = code
        if decoder is None and not isinstance(model, ScoringModel):
            shapes = [tensor.shape for tensor in encoder.outputs]
            name_ends(self.roles, code, shapes, encoder.inputs[0].shape)
        else:
            name_codes(self.roles, code)
            self.roles.add("output", code if decoder is None else ())
        if decoder is not None:
            self._add_decoder(decoder, self._decoded(code, (roles or {}).get("latent_mean")))
        self.roles.assign(roles or {})

    @property
    def nodes(self) -> list[Node]:
        """So far."""
        return list(self._nodes.values())

    def add(self, layer: Layer, *inputs: str) -> str:
        """A layer on some of the nodes; its name.

        Raises:
            Refusal: there is one of this name.
        """
        if layer.name in self._nodes:
            raise not_unique(layer.name)
        self._nodes[layer.name] = Node(layer, inputs)
        return layer.name

    def layer(self, name: str) -> Layer | None:
        """The layer of a name, if there is one."""
        return self._nodes[name].layer if name in self._nodes else None

    def grid(self, name: str) -> Grid:
        """Which values a node gives."""
        return LayerGraph.of(self.nodes, self.inputs, (name,)).grids[name]

    # The network at the wires ------------------------------------------------------------------

    def _add_first(
        self, first: keras.Model, scaler: ScaledInputs | None, formats: InputFormats
    ) -> tuple[str, ...]:
        """Inputs, their scaling, and the network; the names of its outputs."""
        ends = _input_layers(first)
        own = isinstance(self.model, ScoringModel)
        names = ("objects", "condition")[: len(ends)] if own else tuple(end.name for end in ends)
        if isinstance(formats, FrontEnd) and formats.packed:
            packed = unpacked_inputs(formats, names[0])
            # Layers of the network give way to its names.
            self._taken |= {node.name for node in packed.nodes}
            for node in packed.nodes:
                self.add(node.layer, *node.inputs)
            self.inputs = packed.ports
        sources = dict(zip((end.name for end in ends), names, strict=True))
        scaled = "scale" if scaler is not None else names[0]
        network = read_network(first, {**sources, ends[0].name: scaled}, self._taken | set(names))
        behind = {
            name: _quantizer_behind(network.nodes, scaled if name == names[0] else name)
            for name in names
        }
        given = _formats_by_port(formats, names)
        for end, name in zip(ends, names, strict=True):
            if name not in self._nodes:
                form = _format_of_input(end, behind[name], given.get(name))
                shape = tuple(end.output.shape[1:])
                if name == names[0] and scaler and math.prod(shape) != scaler.n_values:
                    # Of all that stands on the wires, it sees a part.
                    shape = (scaler.n_values,)
                self.add(GraphInput(form, shape, name=name))
                self.inputs += (name,)
        if scaler is not None:
            self._add_scaling(scaler, names[0], tuple(ends[0].output.shape[1:]))
        for node in network.nodes:
            self.add(node.layer, *node.inputs)
        self.roles.add_layers(network.tensors)
        for role, name in zip(("input", "condition"), names, strict=False):
            quantizer = behind[name]
            source = scaled if name == names[0] else name
            self.roles.add(role, [source if quantizer is None else quantizer.name])
        return network.outputs

    def _add_scaling(self, scaler: ScaledInputs, port: str, shape: tuple[int, ...]) -> None:
        """From the port to `scale`, which has the shape of the network's input."""
        if math.prod(shape) != scaler.n_inputs:
            raise InputError(
                f"input of the network must hold {scaler.n_inputs} values, one for each that the "
                f"front end gives, got shape {shape}"
            )
        form, last = self.grid(port).format, port
        if self.grid(port).shape != (scaler.n_values,):
            last = self.add(Reshape((scaler.n_values,), name="flat"), last)
        angles = [(part.column, part.angle) for part in scaler.inputs if part.angle is not None]
        if angles:
            columns, of_angles = zip(*angles, strict=True)
            relative = RelativeAngles(
                columns,
                tuple(angle.column for angle in of_angles),
                tuple(angle.factor for angle in of_angles),
                tuple(angle.turn for angle in of_angles),
                input_formats=(form,),
                name="relative_angles",
            )
            last = self.add(relative, last)
        signless = tuple(part.column for part in scaler.inputs if part.absolute)
        if signless:
            formats = (self.grid(last).format,)
            absolute = AbsoluteValues(signless, input_formats=formats, name="absolute_values")
            last = self.add(absolute, last)
        layers: list[Layer] = [ScaleInputs.of(scaler, self.grid(last).format, "scaled")]
        if scaler.form is not None:
            layers.append(Quantizer(scaler.form, name="rounded"))
        if shape != (scaler.n_inputs,):
            layers.append(Reshape(shape))
        # What the network takes is called `scale`.
        layers[-1] = replace(layers[-1], name="scale")
        for layer in layers:
            last = self.add(layer, last)

    # Networks behind it ------------------------------------------------------------------------

    def _decoded(self, code: tuple[str, ...], mean: str | None) -> str:
        """Which of the encoder's outputs the decoder takes: the only one, or the mean."""
        named = [name for name in self.roles.of_layer.get(mean or "", ()) if name in code]
        if len(code) == 1 or named:
            return (named or code)[0]
        return self.roles.find_role("latent_mean", "decoder")

    def _add_decoder(self, decoder: keras.Model, code: str) -> None:
        """On the code, and on the condition if it takes one."""
        ends = [end.name for end in _input_layers(decoder)]
        if len(ends) > 2:
            raise InputError(
                f"decoder must take the code, and a condition at most, got {len(ends)} inputs"
            )
        sources = dict(zip(ends, [code], strict=False))
        for end in ends[1:]:
            sources[end] = self.roles.find_role("condition", "decoder")
        self.roles.add("reconstruction", self._add_behind(decoder, sources))

    def _add_behind(self, behind: keras.Model, sources: Mapping[str, str]) -> tuple[str, ...]:
        """A network whose inputs are nodes that are there; the names of its outputs."""
        network = read_network(behind, sources, self._taken | set(self._nodes))
        # A quantizer that finds values in its format already does nothing.
        idle = {
            node.name: node.inputs[0]
            for node in network.nodes
            if isinstance(node.layer, Quantizer)
            and node.inputs[0] in sources.values()
            and _keeps(node.layer.form, self.grid(node.inputs[0]))
        }
        for node in network.nodes:
            if node.name not in idle:
                self.add(node.layer, *(idle.get(name, name) for name in node.inputs))
        self.roles.add_layers(
            {layer: idle.get(node, node) for layer, node in network.tensors.items()}
        )
        return tuple(idle.get(name, name) for name in network.outputs)


def networks_of(model: Networks) -> tuple[keras.Model | None, keras.Model, keras.Model | None]:
    """Embedding if any; encoder, or the one network that there is; and decoder if any.

    Raises:
        InputError: something else.
    """
    if isinstance(model, Autoencoder):
        return model.embedding, model.encoder, model.decoder
    if isinstance(model, Student):
        return None, model.encoder, None
    parts = tuple(model) if isinstance(model, tuple | list) else (model,)
    if len(parts) not in (1, 2):
        raise InputError(f"networks must be encoder and decoder, got {len(parts)}")
    for part in parts:
        check_keras(part)
    return None, parts[0], (parts[1] if len(parts) == 2 else None)


def check_networks(model: Networks) -> list[Refusal]:
    """What keeps the layers of a model, trained or not, from being put into a trigger graph."""
    networks = (network for network in networks_of(model) if network is not None)
    return [refusal for network in networks for refusal in check_network(network)]


def name_ends(roles: Roles, ends: Sequence[str], shapes: Sequence[Any], input_shape: Any) -> None:
    """Outputs of one network alone: of the input's shape reconstructions, the others codes."""
    pairs = list(zip(ends, shapes, strict=True))
    roles.add("reconstruction", [end for end, shape in pairs if shape == input_shape])
    name_codes(roles, [end for end, shape in pairs if shape != input_shape])
    roles.add("output", ends)


def name_codes(roles: Roles, codes: Sequence[str]) -> None:
    """The first is the mean, the second the logarithm of the variance; of more it is not known."""
    for number, role in enumerate(CODE_ROLES):
        roles.add(role, codes[number : number + 1] if len(codes) <= len(CODE_ROLES) else codes)


def _input_layers(network: keras.Model) -> list[Any]:
    """Of a network that is built of layers; `read_network` says what others are."""
    if not getattr(network, "inputs", None):
        read_network(network)
    return [tensor._keras_history.operation for tensor in network.inputs]


def _quantizer_behind(nodes: Sequence[Node], source: str) -> Quantizer | None:
    """What alone takes an input, if that is a quantizer."""
    takers = [node for node in nodes if source in node.inputs]
    alone = takers[0].layer if len(takers) == 1 else None
    return alone if isinstance(alone, Quantizer) else None


def _formats_by_port(formats: InputFormats, ports: Sequence[str]) -> dict[str, FixedPointFormat]:
    if formats is None:
        return {}
    if isinstance(formats, FrontEnd):
        formats = formats.port_format
    given = formats if isinstance(formats, Mapping) else {ports[0]: formats}
    unknown = [name for name in given if name not in ports]
    if unknown:
        raise InputError(
            f"input_formats must be of the inputs {', '.join(ports)}, got {unknown[0]!r}"
        )
    return {
        name: form if isinstance(form, FixedPointFormat) else FixedPointFormat.parse(form)
        for name, form in given.items()
    }


def _format_of_input(
    end: Any, behind: Quantizer | None, given: FixedPointFormat | None
) -> FixedPointFormat:
    """Which numbers an input takes: what the user has given, the layer states or is behind it.

    Raises:
        Refusal: nothing says so, as Keras would see bits that the firmware does not have; or
            `given` is another one than the layer states.
    """
    stated = end.input_format if isinstance(end, HardwareInput) else None
    if given is not None and stated is not None and given != stated:
        rule = f"input_formats must be what the HardwareInput states, {stated}"
        raise Refusal(end.name, rule, given, "drop it from input_formats")
    known = stated if given is None else given
    if known is not None:
        return known
    if behind is None:
        raise Refusal(
            end.name,
            "the format of an input must be known",
            "no quantizer behind it",
            "put a QActivation there, or give input_formats",
        )
    return behind.form.values


def _keeps(form: FixedPointFormat, grid: Grid) -> bool:
    """Whether values of a grid are those of a format."""
    fine = form.step <= float(grid.step.min())
    return fine and form.low <= float(grid.low.min()) and float(grid.high.max()) <= form.high
