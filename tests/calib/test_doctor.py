import io
import json

import pytest
import torch
from rich.console import Console

from htnet.calib import doctor
from htnet.calib.doctor import Finding, doctor_row, doctor_table, examine, healthy
from htnet.engine.errors import DependencyError, SourceError
from htnet.engine.runtimes import Availability
from htnet.realtime.sources.camera_modes import Camera

HERE = [
    Availability("torch", True, "torch 2.13"),
    Availability("onnx", True, "ONNX Runtime 1.31"),
    Availability("tensorrt", False, "TensorRT is not installed", "pip install 'htnet[trt]'"),
]


class Tracker:
    def find(self, *_: object) -> None: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with one camera, a display and two runtimes."""
    monkeypatch.setattr(doctor, "list_cameras", lambda: [Camera(0, "Integrated Camera")])
    monkeypatch.setattr(doctor, "no_display", lambda: None)
    monkeypatch.setattr(doctor, "availabilities", lambda: HERE)
    monkeypatch.setattr(doctor, "open_tracker", Tracker)


def looked() -> dict[str, Finding]:
    return {check.name: check for check in examine()}


def test_everything_is_looked_at() -> None:
    checks = looked()
    assert list(checks) == [
        "Python",
        "torch",
        "OpenCV",
        "face",
        "model",
        "CPU",
        "GPU",
        "runtime torch",
        "runtime onnx",
        "runtime tensorrt",
        "runtime auto",
        "camera",
        "display",
    ]
    assert "htnet-s" in checks["model"].said and "dis" in checks["model"].said
    assert checks["camera"].said == "0 Integrated Camera"
    assert checks["runtime tensorrt"].remedy == "pip install 'htnet[trt]'"
    assert healthy(checks.values())


def test_auto_says_what_it_would_have_liked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked()["runtime auto"].said.startswith("onnx on cpu")
    monkeypatch.setattr(doctor, "availabilities", lambda: HERE[:1])
    without = looked()["runtime auto"].said
    assert without.startswith("torch on cpu, for want of onnx")


def test_what_live_can_do_without_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "list_cameras", list)
    monkeypatch.setattr(doctor, "no_display", lambda: "DISPLAY is not set")
    monkeypatch.setattr(doctor, "availabilities", list)
    checks = looked()
    assert not checks["camera"].ok and "demo" in checks["camera"].remedy
    assert not checks["display"].ok and checks["display"].said == "DISPLAY is not set"
    assert healthy(checks.values())


def test_a_face_tracker_that_does_not_start_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Tracker:
        raise DependencyError("expected mediapipe 0.10.21; importing it failed: install it.")

    monkeypatch.setattr(doctor, "open_tracker", fail)
    checks = looked()
    assert not checks["face"].ok and "importing it failed" in checks["face"].said
    assert not healthy(checks.values())


def test_weights_that_cannot_be_read_are_one(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x00" * 20)
    monkeypatch.setattr(doctor, "default_weights", lambda: broken)
    checks = looked()
    assert not checks["model"].ok
    assert not healthy(checks.values())


def test_cameras_that_cannot_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise SourceError("expected cameras; the driver does not answer")

    monkeypatch.setattr(doctor, "list_cameras", fail)
    assert looked()["camera"].said == "expected cameras; the driver does not answer"


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch is built for CUDA")
def test_a_driver_without_a_torch_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_driver", lambda: "NVIDIA H200, driver 580.1")
    gpu = looked()["GPU"]
    assert not gpu.ok and "NVIDIA H200" in gpu.said and gpu.remedy
    monkeypatch.setattr(doctor, "_driver", lambda: None)
    assert "no NVIDIA driver" in looked()["GPU"].said


def test_a_driver_too_old_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11000)")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch, "zeros", refuse)
    gpu, device = doctor._gpu()
    assert device == "cpu" and not gpu.ok
    assert "too old" in gpu.said and gpu.remedy


def test_row_and_table() -> None:
    checks = [*looked().values(), Finding("odd", False, "a [bracket]", "mend it", needed=True)]
    row = json.loads(json.dumps(doctor_row(checks)))
    assert row["v"] == 1 and row["ok"] is False
    assert row["checks"][0]["name"] == "Python"
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(doctor_table(checks))
    text = console.export_text()
    assert "a [bracket]" in text and "broken" in text and "mend it" in text
    assert all(len(line) <= 80 for line in text.splitlines())
