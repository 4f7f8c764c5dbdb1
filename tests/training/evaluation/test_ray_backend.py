"""Tasks one after another and spread out by Ray: the same results, and what goes wrong is told.

Tasks are functions inside tests: Ray carries those to its workers whole, and a worker cannot import
a test's module.
"""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from htnet.engine.errors import DataError, DependencyError, UsageError
from htnet.training.evaluation.ray_backend import RayConfig, run_here, run_on_ray

HALF = RayConfig(cpus=0.5)  # so that two tasks run at once on a machine of one core


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A local Ray with two workers; what is connected already is used as it is."""
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def descend() -> Callable[..., torch.Tensor]:
    """A few steps of a small network on shared data, fixed by a seed."""

    def steps(x: np.ndarray, y: np.ndarray, seed: int, width: int) -> torch.Tensor:
        torch.manual_seed(seed)
        inputs, labels = torch.tensor(x), torch.tensor(y)
        network = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], width), torch.nn.GELU(), torch.nn.Linear(width, 3)
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
        for _ in range(20):
            loss = torch.nn.functional.cross_entropy(network(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return network(inputs).detach()

    return steps


DATA = (
    np.random.default_rng(0).normal(size=(300, 400)).astype(np.float32),
    np.random.default_rng(1).integers(0, 3, 300),
)
FOLDS = [(seed, width) for seed in range(3) for width in (64, 512)]


def test_here_results_come_in_turn() -> None:
    got: list[tuple[int, int]] = []
    run_here(lambda a, b, c: a * b + c, [(10, 2, 1), (10, 3, 2)], lambda *own: got.append(own))
    assert got == [(0, 21), (1, 32)]


def test_here_a_task_has_one_thread_and_leaves_the_rest_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        got: dict[int, int] = {}
        run_here(torch.get_num_threads, [()], got.__setitem__)
        assert got == {0: 1}
        with pytest.raises(ZeroDivisionError):
            run_here(lambda: 1 // 0, [()], got.__setitem__)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_ray_gives_what_one_process_gives(ray: Any) -> None:
    here: dict[int, torch.Tensor] = {}
    there: dict[int, torch.Tensor] = {}
    tasks = [(*DATA, *own) for own in FOLDS]
    run_here(descend(), tasks, here.__setitem__)
    run_on_ray(descend(), tasks, there.__setitem__, HALF)
    assert set(there) == set(range(len(FOLDS)))
    for place, expected in here.items():
        assert torch.equal(there[place], expected)
    assert not torch.equal(here[0], here[2])  # another seed is another result


@pytest.mark.slow
def test_two_workers_at_once(ray: Any, tmp_path: Path) -> None:
    """Each task waits until the other is there too."""

    def meet(folder: Path, own: str, other: str) -> int:
        import time

        (folder / own).touch()
        for _ in range(3000):
            if (folder / other).exists():
                return os.getpid()
            time.sleep(0.05)
        raise TimeoutError

    got: dict[int, int] = {}
    run_on_ray(meet, [(tmp_path, "a", "b"), (tmp_path, "b", "a")], got.__setitem__, HALF)
    assert got[0] != got[1]
    assert os.getpid() not in got.values()


@pytest.mark.slow
def test_a_lost_workers_task_is_run_again(ray: Any, tmp_path: Path) -> None:
    def dies_once(folder: Path, number: int) -> int:
        marker = folder / str(number)
        if number % 2 and not marker.exists():
            marker.touch()
            os._exit(1)
        return number * number

    got: dict[int, int] = {}
    run_on_ray(dies_once, [(tmp_path, n) for n in range(4)], got.__setitem__, HALF)
    assert got == {0: 0, 1: 1, 2: 4, 3: 9}
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_a_task_that_always_loses_its_worker(ray: Any) -> None:
    with pytest.raises(DependencyError, match="1 retries did not help"):
        run_on_ray(lambda: os._exit(1), [()], lambda *_: None, RayConfig(cpus=0.5, retries=1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [DataError, KeyError])
def test_what_a_task_raises_comes_out_as_itself(
    ray: Any, tmp_path: Path, kind: type[Exception]
) -> None:
    """And is not tried again; the tasks that have not begun never do."""

    def fails(folder: Path, number: int) -> None:
        (folder / f"{number}-{os.urandom(4).hex()}").touch()
        if number == 0:
            raise kind("expected clips; got none: complete the data.")
        import time

        time.sleep(300)

    with pytest.raises(kind, match="complete the data") as caught:
        run_on_ray(fails, [(tmp_path, n) for n in range(9)], lambda *_: None, HALF)
    assert type(caught.value) is kind
    begun = [path.name.partition("-")[0] for path in tmp_path.iterdir()]
    assert begun.count("0") == 1
    assert len(begun) < 9
    # The workers are free again.
    got: dict[int, int] = {}
    run_on_ray(lambda n: n, [(1,), (2,)], got.__setitem__, HALF)
    assert got == {0: 1, 1: 2}


@pytest.mark.slow
def test_more_than_any_machine_has(ray: Any) -> None:
    with pytest.raises(UsageError, match="1000 GPUs for a task"):
        run_on_ray(int, [()], lambda *_: None, RayConfig(gpus=1000))


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("127.0.0.1:9", DependencyError, "nothing answers there"),
        ("ray://127.0.0.1:9", DependencyError, "nothing answers there"),
        ("somewhere", UsageError, "host:port"),
        ("127.0.0.1:port", UsageError, "host:port"),
        ("", UsageError, "host:port"),
    ],
)
def test_an_address_without_a_ray(address: str, error: type[Exception], words: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(error, match=words):
        run_on_ray(int, [()], lambda *_: None, RayConfig(address=address))


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DependencyError, match=r"htnet\[ray\]"):
        run_on_ray(int, [()], lambda *_: None, RayConfig())


@pytest.mark.parametrize("wrong", [{"gpus": -1}, {"cpus": -0.5}, {"retries": -1}])
def test_shares_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="at least 0"):
        RayConfig(**wrong)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_ends_the_run_and_its_workers(tmp_path: Path) -> None:
    """In a process of its own, which starts Ray, says nothing of it and shuts it down."""
    pytest.importorskip("ray")
    script = textwrap.dedent(
        """
        import os, signal, sys, time
        from pathlib import Path
        from htnet.training.evaluation.ray_backend import RayConfig, run_on_ray

        def sleep(folder, number):
            (folder / str(os.getpid())).touch()
            time.sleep(100 if number else 0)

        def done(index, result):
            own = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            print(index, "SIGTERM left alone" if own else "SIGTERM taken", flush=True)

        try:
            config = RayConfig(cpus=0.5)
            folder = Path(sys.argv[1])
            run_on_ray(sleep, [(folder, n) for n in range(3)], done, config)
        except KeyboardInterrupt:
            import ray

            print("interrupted", ray.is_initialized())
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "0 SIGTERM left alone\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the whole group
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert out == "interrupted False\n"
    assert err == ""
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)
