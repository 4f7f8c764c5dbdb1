"""Execution of one function for many arguments: in turn in this process, or in parallel by Ray.

Folds, seeds and networks are independent, so Ray (Moritz et al., OSDI 2018) may run them in any
order on any similar machine that has htnet installed and reads the same paths. Results are equal
bit for bit as far as torch's arithmetic is. Every task has one torch thread wherever it runs, since
the order of a sum changes its rounding.
"""

import logging
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import torch

from htnet.engine.errors import DependencyError, UsageError
from htnet.engine.optional import need

R = TypeVar("R")

_PATIENCE_S = 5.0
_CANCELS = 5


@dataclass(frozen=True, slots=True)
class RayConfig:
    """Connection to Ray and the resources of a task.

    ``address``: a running Ray, as host:port, ray://host:port or "auto" for one on this machine;
    None starts one here, which ends with the tasks. A Ray that wants a token gets the user's where
    RAY_AUTH_MODE=token is set. ``gpus``, ``cpus``: of each task, fractions too. ``retries``: of a
    task whose worker was lost.
    """

    address: str | None = None
    gpus: float = 0.0
    cpus: float = 1.0
    retries: int = 3

    def __post_init__(self) -> None:
        if self.gpus < 0 or self.cpus < 0 or self.retries < 0:
            raise UsageError(
                f"expected GPUs, CPUs and retries of at least 0; got {self.gpus}, {self.cpus} and "
                f"{self.retries}: correct them."
            )


def run_here(
    function: Callable[..., R],
    arguments: Sequence[tuple[Any, ...]],
    done: Callable[[int, R], None],
) -> None:
    """Call ``function(*own)`` for each ``own`` of ``arguments``, in turn.

    ``done`` receives the index and the result of each call.
    """
    for index, own in enumerate(arguments):
        done(index, _single_threaded(function, *own))


def run_on_ray(
    function: Callable[..., R],
    arguments: Sequence[tuple[Any, ...]],
    done: Callable[[int, R], None],
    config: RayConfig,
) -> None:
    """Run the calls of `run_here` on Ray; ``done`` is called as each ends, in any order.

    An object that several tasks share is sent once to each machine; its arrays must not be written
    to. An exception of a task is raised as it is and ends the run, as Ctrl-C does: the other tasks
    are cancelled. Raises `DependencyError` where Ray is missing or cannot be reached, or where a
    task's worker is lost more than ``config.retries`` times; `UsageError` where no machine has the
    resources of a task.
    """
    with _connected(config) as ray:
        task = ray.remote(num_cpus=config.cpus, num_gpus=config.gpus, max_retries=config.retries)(
            _single_threaded
        )
        often = Counter(id(each) for own in arguments for each in own)
        shared = {id(each): each for own in arguments for each in own if often[id(each)] > 1}
        sent = {place: ray.put(each) for place, each in shared.items()}
        waiting = {
            task.remote(function, *(sent.get(id(each), each) for each in own)): index
            for index, own in enumerate(arguments)
        }
        try:
            while waiting:
                [ended], _ = ray.wait(list(waiting), num_returns=1)
                done(waiting.pop(ended), _result(ray, ended, config))
        finally:
            _cancel(ray, list(waiting))


def _single_threaded(function: Callable[..., R], *arguments: Any) -> R:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return function(*arguments)
    finally:
        torch.set_num_threads(threads)


def _result(ray: Any, ended: Any, config: RayConfig) -> Any:
    try:
        return ray.get(ended)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise DependencyError(
            f"expected every task to end; one lost its worker, and {config.retries} retries did "
            f"not help ({_first_line(error)}): look at that machine's memory, or allow more."
        ) from None


def _cancel(ray: Any, tasks: list[Any]) -> None:
    """Cancel tasks, repeatedly: Ray loses a request for a task that is just being sent off."""
    for _ in range(_CANCELS):
        if not tasks:
            return
        for task in tasks:
            ray.cancel(task, force=True)
        _, tasks = ray.wait(tasks, num_returns=len(tasks), timeout=1.0)


@contextmanager
def _connected(config: RayConfig) -> Iterator[Any]:
    """Yield the module ``ray``, connected; a connection of the caller's is used as it is."""
    ray: Any = need("ray", "ray")
    if config.address is not None:
        _require_listener(config.address)
    if ray.is_initialized():
        _require_room(ray, config)
        yield ray
        return
    try:
        _connect(ray, config)
        _require_room(ray, config)
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, config: RayConfig) -> None:
    ended = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=config.address or "local",
            include_dashboard=False if config.address is None else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = "to start here" if config.address is None else f"at {config.address}"
        raise DependencyError(
            f"expected Ray {where}; got {_first_line(error)}: start it with `ray start --head`, "
            "of the same version as here, and set RAY_AUTH_MODE=token where it wants a token."
        ) from None
    finally:
        # Ray replaces the handler of SIGTERM; restore the process's own.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ended)


def _require_listener(address: str) -> None:
    """Raise within seconds where nothing listens; Ray would try for a minute."""
    if address == "auto":
        return
    try:
        place = urlsplit("//" + address.removeprefix("ray://"))
        host, port = place.hostname, place.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise UsageError(
            f"expected the address of a Ray as host:port, ray://host:port or auto; got "
            f"{address!r}: `ray status` tells it on the cluster."
        )
    try:
        socket.create_connection((host, port), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise DependencyError(
            f"expected a Ray at {address}; nothing answers there ({error}): start it with "
            "`ray start --head`, or give another address."
        ) from None


def _require_room(ray: Any, config: RayConfig) -> None:
    """Raise where no machine can take a task; Ray would wait for one to join."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(
        own.get("CPU", 0) >= config.cpus and own.get("GPU", 0) >= config.gpus for own in machines
    ):
        found = ", ".join(
            f"{own.get('CPU', 0):g} CPUs and {own.get('GPU', 0):g} GPUs" for own in machines
        )
        raise UsageError(
            f"expected a machine with {config.cpus:g} CPUs and {config.gpus:g} GPUs for a task; "
            f"got {found or 'none'}: ask for less, or add machines first."
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
