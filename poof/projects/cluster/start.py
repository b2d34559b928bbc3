"""A connection to a Dask scheduler: one that runs, or one that is started here with workers of a batch system."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from poof.errors import PoofError
from poof.projects.cluster.address import BATCH, Address
from poof.projects.worker import SINGLE

WAIT = 30
"""Seconds in which a scheduler must answer."""
MISSING = "--on needs Dask: pip install 'poof-pose[cluster]' (here, and where the workers run)"


@contextmanager
def connected(address: Address) -> Iterator[Any]:
    """A client of the scheduler; what was started for it ends with the block.

    Raises
    ------
    PoofError
        If Dask is not installed, nobody answers, or the batch system does not take jobs.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise PoofError(MISSING) from None
    for name in ("distributed", "distributed.client", "distributed.worker", "distributed.nanny", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told in one line
    cluster: Any = None
    client: Any = None
    dask.config.set({"distributed.comm.timeouts.connect": f"{WAIT}s"})
    try:
        if address.kind == "dask":
            client = distributed.Client(address.place, timeout=WAIT, set_as_default=False)
        else:
            cluster = _local(int(address.place)) if address.kind == "local" else _batch(address)
            client = distributed.Client(cluster, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        if cluster is not None:
            cluster.close()
        where = address.place or address.kind
        raise PoofError(
            f"--on {where}: no scheduler answers there ({type(error).__name__}); start one with dask scheduler, and"
            " check host, port and firewall"
        ) from None
    try:
        yield client
    finally:
        for thing in (client, cluster):
            if thing is not None:
                with suppress(Exception):
                    thing.close(timeout=5)


def _local(count: int) -> Any:
    from distributed import LocalCluster

    single = dict.fromkeys((*SINGLE, "POOF_THREADS"), "1")
    return LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, env=single, silence_logs=50
    )


def _batch(address: Address) -> Any:
    """A scheduler in this process, and jobs of the batch system that bring one worker each."""
    cluster = made(address)
    count = int(address.options.get("workers", "1"))
    try:
        cluster.scale(jobs=count)
    except Exception as error:
        cluster.close()
        raise PoofError(f"--on {address.kind}: the jobs were not taken: {error}; check with --dry-run") from None
    return cluster


def made(address: Address) -> Any:
    """The cluster object of dask-jobqueue, before any job is submitted."""
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        import dask_jobqueue
    except ImportError:
        raise PoofError(MISSING) from None
    finally:
        if main:  # dask-jobqueue 0.9 takes Ctrl-C for itself when it is imported
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return getattr(dask_jobqueue, BATCH[address.kind])(**arguments(address))


def arguments(address: Address) -> dict[str, Any]:
    """What dask-jobqueue's class is given for the options of an address."""
    own = address.options
    cores = int(own.get("cores", "1"))
    memory = own.get("memory", "4GB")
    extra = [f"--gres={own['gres']}"] if "gres" in own else []
    extra += shlex.split(own.get("extra", ""))
    prologue = [*([own["setup"]] if "setup" in own else []), *(f"export {name}=1" for name in SINGLE)]
    chosen: dict[str, Any] = {
        "cores": 1,  # threads of the worker: one task at a time, which uses the cores itself
        "processes": 1,
        "memory": memory,
        "job_extra_directives": extra,
        "job_script_prologue": [*prologue, f"export POOF_THREADS={cores}"],
        "python": own.get("python", sys.executable),
        "log_directory": own.get("logs"),
        "local_directory": own.get("scratch"),
        "interface": own.get("interface"),
        "walltime": own.get("time"),
        "scheduler_options": {"dashboard_address": "127.0.0.1:0", "dashboard": False},
    }
    if "partition" in own:
        chosen["queue"] = own["partition"]
    if "account" in own:
        chosen["project" if address.kind in ("sge", "lsf") else "account"] = own["account"]
    if address.kind == "slurm":
        chosen["job_cpu"] = cores
    elif address.kind == "pbs":
        chosen["resource_spec"] = f"select=1:ncpus={cores}:mem={memory}"
    elif address.kind == "sge":
        chosen["resource_spec"] = f"h_vmem={memory}"
    elif address.kind == "lsf":
        chosen["ncpus"] = cores
    return {name: value for name, value in chosen.items() if value is not None}


def script_of(address: Address) -> str:
    """What would be submitted for each worker, as dask-jobqueue writes it.

    Raises
    ------
    PoofError
        If no batch system is named.
    """
    if address.kind not in BATCH:
        raise PoofError(f"--dry-run shows what a batch system is given; --on {address.kind} submits nothing")
    cluster = made(address)
    try:
        return str(cluster.job_script())
    finally:
        cluster.close()
