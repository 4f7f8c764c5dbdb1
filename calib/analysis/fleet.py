"""Analysis of many videos: one after another, in several processes, or by Ray.

A video that fails is told with its sentence, and the others go on.
"""

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from htnet.calib.analysis.analyze import Progress, analyze_video, no_progress
from htnet.calib.analysis.config import VideoJob, VideoResult
from htnet.calib.analysis.store import abandon, begin, commit
from htnet.engine.errors import HTNetError
from htnet.training.evaluation.ray_backend import RayConfig, run_on_ray

Done = Callable[[int, VideoResult], None]
"""Is given the place of a job and its result, as each ends."""

_LOST = (
    "expected the analysis to end; got the end of its process, twice: free memory, or analyse this "
    "video alone."
)
_shares: Any = None  # in a worker: the queue of (place, share of the video)


def analyze_job(job: VideoJob, progress: Progress = no_progress) -> VideoResult:
    """Analyse a video into its folder; a failure is told in the result and leaves no folder."""
    part = job.folder
    try:
        part = begin(job)
        try:
            result = analyze_video(job, part, progress)
            commit(job, part, result)
        except BaseException:
            abandon(part)
            raise
    except HTNetError as error:
        return _failed(job, str(error).replace(str(part), str(job.folder)))
    except OSError as error:
        return _failed(
            job,
            f"expected to write to {job.folder}; got {error.strerror or error}: make room, or "
            "choose another --out.",
        )
    except Exception as error:  # noqa: BLE001 - a fault met in one video does not end the others
        return _failed(
            job,
            f"expected the analysis to end; got a fault of htnet's own ({type(error).__name__}: "
            f"{error}): report it.",
        )
    return result


def analyze_here(jobs: Sequence[VideoJob], done: Done, share: Callable[[int, float], None]) -> None:
    """Analyse the videos one after another in this process.

    ``share``: is given the place of a job and the share of it that is done.
    """
    for place, job in enumerate(jobs):
        done(place, analyze_job(job, partial(share, place)))


def analyze_parallel(
    jobs: Sequence[VideoJob], done: Done, share: Callable[[int, float], None], workers: int
) -> None:
    """Analyse the videos in ``workers`` processes; as `analyze_here`, in any order.

    After the loss of a process, as for want of memory, the videos that are left are analysed one at
    a time; one that loses its process again has failed.
    """
    left = _in_pool(jobs, range(len(jobs)), done, share, workers)
    for place in left:
        if _in_pool(jobs, [place], done, share, 1):
            done(place, _failed(jobs[place], _LOST))


def analyze_on_ray(jobs: Sequence[VideoJob], done: Done, config: RayConfig) -> None:
    """Analyse the videos on Ray, whose machines see the same paths; lost workers are retried."""
    run_on_ray(analyze_job, [(job,) for job in jobs], done, config)


def _in_pool(
    jobs: Sequence[VideoJob],
    places: Sequence[int],
    done: Done,
    share: Callable[[int, float], None],
    workers: int,
) -> list[int]:
    """Analyse the jobs at ``places``; return the places that are left when a process is lost."""
    context = multiprocessing.get_context("spawn")
    shares: Any = context.Queue()
    heard = threading.Thread(target=_hear, args=(shares, share), daemon=True)
    heard.start()
    left = set(places)
    with ProcessPoolExecutor(
        min(workers, len(places)), mp_context=context, initializer=_begin_worker, initargs=(shares,)
    ) as pool:
        waiting = {pool.submit(_in_worker, place, jobs[place]): place for place in places}
        try:
            for future in as_completed(waiting):
                done(waiting[future], future.result())
                left.discard(waiting[future])
        except BrokenProcessPool:
            pass
        except BaseException:
            # Ctrl-C reaches the workers by itself, a service manager's stop does not.
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            shares.put(None)
    heard.join()
    return sorted(left)


def _hear(shares: Any, share: Callable[[int, float], None]) -> None:
    while (told := shares.get()) is not None:
        share(*told)


def _begin_worker(shares: Any) -> None:
    global _shares
    _shares = shares


def _in_worker(place: int, job: VideoJob) -> VideoResult:
    try:
        return analyze_job(job, lambda part: _shares.put((place, part)))
    except KeyboardInterrupt:  # the parent has got it too, and is told nothing more
        return _failed(job, "stopped")


def _failed(job: VideoJob, sentence: str) -> VideoResult:
    return VideoResult(job.name, str(job.video), failure=sentence)
