"""RAFT's convolutions on OpenVINO, a faster engine for CPUs (the extra `poof-pose[openvino]`).

Three parts of `SequenceRaft` are converted, those that are convolutions and little else: the features, the context and
one update. The correlation, its lookup and the loop stay in torch, where they are faster. A part is converted once for
all sizes: its height and width are free, which costs nothing measurable against fixed ones, while converting the whole
unrolled network took minutes for each size. Nothing is stored on disk and nothing is sent anywhere (OpenVINO's own
`convert_model` reports its use; the front end below it does not).

Measured with RAFT-small on one core, both directions, against `RaftFlow` in fp32: 0.80 of the time in fp32 (mean
difference 5e-5 px on the worst FlyingChairs pair, single wavering pixels 5e-3 px), 0.55 in bf16 (mean 0.03 px), where
`RaftFlow` itself takes 0.66 in bf16; the error on FlyingChairs is the same to 0.005 px in all of them.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from poof.errors import PoofError, names_near
from poof.flow.raft import RaftFlow
from poof.flow.raft_network import SequenceRaft

HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoRaftFlow(RaftFlow):
    """RAFT on the CPU by OpenVINO; the same flow as `RaftFlow` up to rounding in fp32.

    Parameters
    ----------
    kind
        'raft-small' or 'raft-large'.
    weights, iterations, precision
        See `RaftFlow`; 'bf16' needs a CPU with bf16 instructions.

    Raises
    ------
    PoofError
        As `RaftFlow`, and if OpenVINO is not installed or the CPU lacks bf16.
    """

    def __init__(self, kind: str, weights: Path | None = None, iterations: int = 12, precision: str = "fp32") -> None:
        self._engine = _Engine(f"{kind}-openvino", precision)
        super().__init__(kind, weights, "cpu", iterations, precision)
        self.name = f"{kind}-openvino"

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return {**super().describe(), "openvino": self._engine.version}

    def _taken_apart(self, network: nn.Module) -> SequenceRaft:
        return OpenVinoRaft(network, self._engine)


class OpenVinoRaft(SequenceRaft):
    """The parts of a RAFT, those that are convolutions by OpenVINO. Takes one image at a time."""

    def __init__(self, network: Any, engine: _Engine) -> None:
        super().__init__(network)
        plain = SequenceRaft(network)
        # What to trace with; the sizes do not matter.
        image, flow = torch.zeros(1, 3, 128, 136), torch.zeros(1, 2, 16, 17)
        correlation = torch.zeros(1, self.levels * (2 * self.radius + 1) ** 2, 16, 17)
        with torch.no_grad():
            context = plain.context(image)
            self._features = engine.compile(_Part(plain, lambda part, x: part.features(x)), image)
            self._context = engine.compile(_Part(plain, lambda part, x: part.context(x)), image)
            step = _Part(plain, lambda part, flow, found, hidden, *terms: part.step(flow, found, hidden, terms))
            self._step = engine.compile(step, flow, correlation, *context)

    def features(self, images: Tensor) -> Tensor:
        """See `SequenceRaft.features`."""
        return self._features(images)[0]

    def context(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `SequenceRaft.context`."""
        return self._context(images)

    def step(
        self, flow: Tensor, correlation: Tensor, hidden: Tensor, terms: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """See `SequenceRaft.step`."""
        hidden, change = self._step(flow, correlation, hidden, *terms)
        return hidden, change


class _Part(nn.Module):
    """One method of a network as a module, which is what the front end takes."""

    def __init__(self, network: SequenceRaft, call: Callable[..., Any]) -> None:
        super().__init__()
        self.network = network
        self.call = call

    def forward(self, *inputs: Tensor) -> Any:
        return self.call(self.network, *inputs)


class _Engine:
    """OpenVINO on this machine: turns a module into a function of tensors."""

    def __init__(self, name: str, precision: str) -> None:
        try:
            import openvino
        except ImportError as error:
            raise PoofError(f"{name}: needs OpenVINO; pip install 'poof-pose[openvino]', or use --flow dis") from error
        if precision not in HINTS:
            raise PoofError(f"{name}: unknown precision '{precision}'; valid: {names_near(precision, HINTS)}")
        self._core = openvino.Core()
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise PoofError(f"{name}: this CPU has no bf16 instructions; use fp32")
        self._precision = precision
        self.version = str(openvino.__version__).partition("-")[0]

    def compile(self, module: nn.Module, *examples: Tensor) -> Callable[..., tuple[Tensor, ...]]:
        """A function that does what `module` does, for any height and width."""
        from openvino import PartialShape
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        front = FrontEndManager().load_by_framework("pytorch")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of layers that check their input's shape: the shapes do not change
            how = {"check_trace": False}
            decoder = TorchScriptPythonDecoder(module.eval(), example_input=examples, trace_kwargs=how)
        model = front.convert(front.load(decoder))
        for place, example in zip(model.inputs, examples, strict=True):
            place.get_node().set_partial_shape(PartialShape([1, example.shape[1], -1, -1]))
        model.validate_nodes_and_infer_types()
        settings = {
            # Said outright: OpenVINO takes bf16 by itself where the CPU has it.
            "INFERENCE_PRECISION_HINT": HINTS[self._precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = self._core.compile_model(model, "CPU", settings)
        requests = threading.local()

        def run(*inputs: Tensor) -> tuple[Tensor, ...]:
            if not hasattr(requests, "own"):
                requests.own = compiled.create_infer_request()  # two threads must not share one
            arrays = [np.ascontiguousarray(each.numpy()) for each in inputs]
            results = requests.own.infer(arrays, share_inputs=True)
            return tuple(torch.from_numpy(results[output]) for output in compiled.outputs)

        return run
