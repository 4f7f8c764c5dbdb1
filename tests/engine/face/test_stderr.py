"""Suppression of stderr across threads and errors."""

import os
import threading

import pytest

from htnet.engine.face.stderr import suppress_stderr


def test_overlapping_suppressions_end_with_the_last(capfd: pytest.CaptureFixture[str]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with suppress_stderr():
            inside.set()
            assert leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with suppress_stderr():
        leave.set()
        thread.join(10)
        os.write(2, b"hushed\n")
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_an_error_ends_a_suppression_too(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        suppress_stderr(),
        suppress_stderr(),
    ):
        raise ZeroDivisionError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
