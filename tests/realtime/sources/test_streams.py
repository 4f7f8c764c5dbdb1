"""Addresses, against a server on the loopback interface."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from htnet.engine.errors import SourceError, UsageError
from htnet.engine.media import reader, video_reader
from htnet.realtime.capture_thread import CaptureThread
from htnet.realtime.sources.base import Source, SourceConfig, open_source

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def jpeg(value: int) -> bytes:
    image = np.full((48, 64, 3), 40, np.uint8)
    image[:, : 1 + value % 63] = 200
    return cv2.imencode(".jpg", image)[1].tobytes()


@contextmanager
def mjpeg_server(
    pictures: int, connections: int = 100, stalls: int = 0, whole: int = 10_000
) -> Iterator[str]:
    """Serves ``pictures`` JPEGs on each of the first ``connections``, then answers 503.

    The first ``stalls`` connections are then left open without a word. Those after the first
    ``whole`` pictures of a connection are broken.
    """
    over = threading.Event()
    served = [0]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served[0] += 1
            if served[0] > connections:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for i in range(pictures):
                    data = jpeg(i + 7 * served[0])
                    data = data if i < whole else data[:2] + b"broken" * 20
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
                    self.wfile.write(head.encode() + b"\r\n\r\n" + data + b"\r\n")
                    time.sleep(0.01)
                if served[0] <= stalls:
                    over.wait()
            except OSError:
                pass  # the client has gone

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def test_an_mjpeg_stream_is_live_and_stamped_by_the_clock() -> None:
    with mjpeg_server(pictures=300) as url:
        before = time.monotonic_ns()
        source = open_source(SourceConfig(source=url))
        frames = [source.read() for _ in range(5)]
        source.close()
    assert source.live
    assert [f.index for f in frames] == list(range(5))
    assert all(f.bgr.shape == (48, 64, 3) for f in frames)
    assert before < frames[0].t_ns < frames[4].t_ns <= time.monotonic_ns()
    assert source.read() is None


@pytest.mark.slow
def test_a_stream_that_drops_is_opened_again_and_one_that_dies_is_given_up() -> None:
    with mjpeg_server(pictures=60, connections=2) as url:
        source = open_source(SourceConfig(source=url, give_up_s=1.0))
        frames = []
        with pytest.raises(SourceError, match="none came for 1 s"):
            while len(frames) < 1000:
                frames.append(source.read())
    assert len(frames) > 60
    assert "opening it again" in source.status


@pytest.mark.slow
def test_a_stream_that_stalls_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_TIMEOUT_S", 1.5)
    with mjpeg_server(pictures=60, stalls=1) as url:
        source = open_source(SourceConfig(source=url))
        frames = [source.read() for _ in range(80)]
        source.close()
    assert [f.index for f in frames] == list(range(80))
    gaps = np.diff([f.t_ns for f in frames])
    assert (gaps > 0).all() and gaps.max() > 1.5e9


def test_a_stream_that_only_sends_broken_pictures_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(video_reader, "_LIVE_PATIENCE", 20)
    with mjpeg_server(pictures=300, whole=60) as url:
        stream = reader.open_address(url, "a camera")
        count = 0
        while stream.grab():
            count += 1
        stream.release()
    assert 50 < count <= 60 and 20 <= stream.broken < 30


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("options", [("-tune", "zerolatency"), ("-bf", "2")])
def test_a_live_h264_stream_is_whole_and_in_order(options: tuple[str, ...], capfd) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The left of the picture brightens with every frame, 4 grey levels each.
    drawn = "nullsrc=size=64x48:rate=30,format=gray,geq=lum='mod(N*4\\,200)+20'"
    command = ["ffmpeg", "-v", "quiet", "-re", "-f", "lavfi", "-i", drawn, "-c:v", "libx264"]
    command += [*options, "-g", "15", "-f", "mpegts", f"tcp://127.0.0.1:{port}?listen=1"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as sender:
        try:
            source = _opened_in_time(f"tcp://127.0.0.1:{port}")
            frames = [source.read() for _ in range(45)]
            source.close()
        finally:
            sender.terminate()
    assert source.live
    steps = np.diff([float(f.bgr.mean()) for f in frames])
    assert ((abs(steps - 4.65) < 3) | (steps < -150)).all()  # of the full range, and once around
    assert capfd.readouterr().err == ""


def _opened_in_time(url: str) -> Source:
    """Opens an address whose server may not listen yet."""
    for _ in range(100):
        try:
            return open_source(SourceConfig(source=url))
        except SourceError:
            time.sleep(0.1)
    raise AssertionError("the server has not come up")


def test_a_protocol_that_ffmpeg_has_not_is_named() -> None:
    with pytest.raises(SourceError, match=r"got nonsense://; have the camera"):
        reader.open_address("nonsense://host/a", "a camera")


def test_the_reader_ends_promptly_on_a_stream() -> None:
    with mjpeg_server(pictures=300) as url:
        with CaptureThread(open_source(SourceConfig(source=url))) as thread:
            frame = thread.get(timeout=10)
            assert frame is not None and frame.t_ns == 0 and thread.arrived_ns > 0
        assert thread.get() is None


def test_an_address_where_nobody_listens_is_an_error_without_its_password(capfd) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match="none answered") as caught:
        open_source(SourceConfig(source=f"http://me:secret@127.0.0.1:{port}/video"))
    assert "secret" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_an_address_of_another_kind_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="give a file by its path"):
        open_source(SourceConfig(source="gopher://host/a"))


def test_a_recording_behind_an_address_is_read_without_loss(tmp_path) -> None:
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    assert writer.isOpened()
    for i in range(20):
        writer.write(cv2.imdecode(np.frombuffer(jpeg(i), np.uint8), cv2.IMREAD_COLOR))
    writer.release()
    data = path.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/x-msvideo")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = open_source(SourceConfig(source=f"http://127.0.0.1:{server.server_port}/a.avi"))
        times = []
        while (frame := source.read()) is not None:
            times.append(frame.t_ns)
        source.close()
    finally:
        server.shutdown()
        server.server_close()
    assert not source.live
    assert times == [i * 40_000_000 for i in range(20)]
