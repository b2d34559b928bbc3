"""The value of `--on`: a running scheduler, workers on this machine, or a batch system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from poof.errors import PoofError

BATCH = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster"}
"""Batch system -> class of dask-jobqueue."""
OPTIONS = {
    "workers": "jobs that are submitted, each with one worker",
    "partition": "queue of the batch system",
    "queue": "the same",
    "time": "longest time of a job",
    "walltime": "the same",
    "account": "whom it is charged to",
    "cores": "cores of a job",
    "memory": "memory of a job",
    "gres": "SLURM's generic resources, gpu:1",
    "extra": "one more directive, as it is; several with spaces between",
    "interface": "network interface of the workers",
    "python": "interpreter on the nodes",
    "setup": "shell command before the worker starts, 'module load cuda'",
    "scratch": "folder of a node for what does not fit into memory",
    "logs": "folder for the jobs' output",
}
"""Option of a batch system -> what it means."""
EXAMPLE = "slurm:partition=gpu,gres=gpu:1,time=2:00:00,workers=8"


@dataclass(frozen=True)
class Address:
    """Where to work.

    Attributes
    ----------
    kind : str
        'dask' (a running scheduler), 'local', or a name in `BATCH`.
    place : str
        Address of the scheduler, or the number of local workers.
    options : dict
        Of a batch system.
    """

    kind: str
    place: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> Address:
    """Read the value of `--on`.

    Raises
    ------
    PoofError
        On anything else, with an example or the nearest name.
    """
    kind, _, rest = text.partition(":")
    if kind in ("dask", "tcp", "tls", "ucx"):
        host = rest.removeprefix("//")
        if ":" not in host or not host.rpartition(":")[2].isdecimal():
            raise PoofError(f"--on {text}: names no port; write dask://HOST:8786")
        return Address("dask", f"{'tcp' if kind == 'dask' else kind}://{host}")
    if kind == "local":
        if not rest.isdecimal() or not 1 <= int(rest) <= 1024:
            raise PoofError(f"--on {text}: write local:N for N workers on this machine")
        return Address("local", rest)
    if kind not in BATCH:
        near = get_close_matches(kind, ["dask", "local", *BATCH], 1)
        hint = f"did you mean {near[0]}?" if near else f"for example dask://HOST:8786, {EXAMPLE} or local:4"
        raise PoofError(f"--on {text}: '{kind}' is no place to work; {hint}")
    options: dict[str, str] = {}
    for part in _parts(rest):
        name, equals, value = part.partition("=")
        if name not in OPTIONS or not equals or not value:
            near = get_close_matches(name, OPTIONS, 1)
            hint = f"did you mean {near[0]}=...?" if near else f"there are {', '.join(OPTIONS)}"
            raise PoofError(f"--on {kind}: '{part}' is no option; {hint}")
        options[{"queue": "partition", "walltime": "time"}.get(name, name)] = value
    for name in ("workers", "cores"):
        if name in options and not (options[name].isdecimal() and int(options[name])):
            raise PoofError(f"--on {kind}: {name}={options[name]} is no number of {name}")
    return Address(kind, options=options)


def _parts(text: str) -> list[str]:
    """The options; a comma inside a value belongs to it where no 'name=' follows."""
    parts: list[str] = []
    for part in text.split(",") if text else []:
        if parts and part.partition("=")[0] not in OPTIONS and "=" not in part:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts
