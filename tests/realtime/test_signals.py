"""Signals: which end a run, which are left alone, and who outlives them."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from htnet.realtime.signals import STOPS, ignore_signals, signals_restored, stop_on_signals

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of POSIX")


def said(script: str) -> str:
    """What a process of its own prints."""
    prelude = "import os, signal, time\nfrom htnet.realtime.signals import *\n"
    command = [sys.executable, "-c", prelude + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr
    return done.stdout


@posix
@pytest.mark.parametrize("number", STOPS)
def test_each_interrupts_and_is_given_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with signals_restored():
        signal.signal(number, signal.SIG_DFL)
        stop_on_signals()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        ignore_signals()
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


@posix
def test_what_nohup_ignores_stays_ignored() -> None:
    with signals_restored():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        stop_on_signals()
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_another_thread_sets_nothing() -> None:
    before = [signal.getsignal(number) for number in STOPS]

    def inside() -> None:
        with signals_restored():
            ignore_signals()

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert [signal.getsignal(number) for number in STOPS] == before


@posix
def test_a_helper_outlives_them_and_ends_itself_soon_after_a_stop() -> None:
    told = said(
        "outlive_signals()\n"
        "for number in STOPS: signal.raise_signal(number)\n"
        "print(0 < signal.alarm(0) <= 5)\n"
    )
    assert told == "True\n"


@posix
@pytest.mark.parametrize(("line", "code"), [("mute_lost_terminal()", 0), ("", 1)])
def test_a_terminal_that_is_gone_is_printed_to_no_more(line: str, code: int) -> None:
    import pty

    master, slave = pty.openpty()
    script = f"""
import sys
from htnet.realtime.signals import mute_lost_terminal
sys.stdin.read()
{line}
print("to nobody", flush=True)
"""
    command = [sys.executable, "-c", script]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=slave, stderr=pipe)
    os.close(slave)
    os.close(master)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code and (b"Input/output error" in err) == bool(code)
