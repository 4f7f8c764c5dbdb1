"""The commands that train and judge, as a user meets them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from htnet.engine.models.weights import load

Htnet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A config file of a network that trains in a second."""
    path = tmp_path / "small.toml"
    path.write_text(
        "views = 1\n[model]\ndim = 8\nheads = 2\nrepeats = [1, 1, 1]\n"
        "[schedule]\nepochs = 8\nbatch = 16\nlr = 3e-3\nteacher_views = 0\n"
    )
    return path


@pytest.mark.slow
def test_training_end_to_end(
    htnet: Htnet, composite: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("--data", composite, "--config", small, "--landmarks", composite / "landmarks.npy")
    code, out, err = htnet("train", *given, "--out", "run")
    assert (code, "wrote run/weights.safetensors" in out.replace("\n", "")) == (0, True), err
    assert load(tmp_path / "run" / "weights.safetensors").card["loso"]["full"]["uf1"] > 0.5
    code, out, err = htnet("evaluate", "loso", *given, "--json", "row.json")
    assert code == 0
    assert "6 of 6 folds" in err.replace("\n", " ")  # train has left them
    assert "selected on the held-out subject: not a result" in out
    row = json.loads((tmp_path / "row.json").read_text())
    assert list(row)[:5] == ["v", "network", "protocol", "seeds", "recipes_tried"]
    assert set(row["full"]) == {"uf1", "uar", "accuracy"} == set(row["samm"])
    assert row["seeds"] == [0] and row["oracle"]["note"].endswith("not a result")
    start = tmp_path / "run" / "weights.safetensors"
    code, out, err = htnet("train", *given, "--out", "more", "--from", start)
    assert code == 0
    assert "no score to report" in (tmp_path / "more" / "report.md").read_text()
    again = tmp_path / "run" / "config.toml"
    code, out, err = htnet(
        "train", *given[:2], *given[4:], "--config", again, "--loso-seeds", 0, "--out", "same"
    )
    assert code == 0
    assert (tmp_path / "same" / "config.toml").read_text() == again.read_text()


@pytest.mark.slow
def test_oracle_and_nested_by_name(
    htnet: Htnet, composite: Path, small: Path, tmp_path: Path
) -> None:
    given = ("--data", composite, "--config", small, "--landmarks", composite / "landmarks.npy")
    given = (*given, "--out", tmp_path / "loso", "--epochs", 2, "--no-fold-weights")
    code, out, _ = htnet("evaluate", "loso", *given, "--protocol", "oracle")
    assert code == 0
    assert out.index("not a result") < out.index("last epoch of a fixed schedule")
    assert not list(tmp_path.rglob("*.safetensors"))
    code, out, _ = htnet(
        "evaluate", "loso", *given, "--folds", "smic-1, samm-2", "--json", tmp_path / "o.json"
    )
    assert code == 0
    assert json.loads((tmp_path / "o.json").read_text())["casme2"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--network", "resnet"), "htnet-s"),
        (("--protocol", "best"), "nested"),
        (("--folds", "nobody"), "--folds"),
        (("--repeats", "2;2"), "2,2,10"),
        (("--config", "none.toml"), "TOML"),
        (("--device", "cuda:99"), "cuda"),
        (("--network", "svm", "--protocol", "oracle"), "fitted at once"),
        (("--repeats", "2,2", "--network", "ststnet"), "repeats"),
    ],
)
def test_what_cannot_be_judged(
    htnet: Htnet, composite: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    given = ("--data", composite, "--landmarks", composite / "landmarks.npy")
    code, out, err = htnet("evaluate", "loso", *given, "--out", tmp_path / "loso", *arguments)
    assert code in (1, 2), out + err
    assert told in err
    assert "xpected" in err and ": " in err


def test_from_and_loso_do_not_go_together(htnet: Htnet, composite: Path, tmp_path: Path) -> None:
    code, _, err = htnet("train", "--data", composite, "--from", tmp_path / "x", "--loso-seeds", 1)
    assert (code, "may have seen" in err) == (2, True)


@pytest.mark.slow
def test_zoo_and_ablation_write_pages(
    htnet: Htnet, composite: Path, small: Path, tmp_path: Path
) -> None:
    given = ("--data", composite, "--landmarks", composite / "landmarks.npy")
    given = (*given, "--out", tmp_path / "loso", "--markdown", tmp_path / "page.md")
    code, out, _ = htnet("evaluate", "zoo", *given, "--rows", "svm; bi-woof", "--seeds", 1)
    assert code == 0
    page = (tmp_path / "page.md").read_text()
    assert "not run" in page and "svm" in page
    code, out, _ = htnet(
        "evaluate", "ablation", "heads", *given, "--config", small, "--epochs", 1, "--groups", 2
    )
    assert code == 0
    assert "one token" in (tmp_path / "page.md").read_text().replace("\n", " ")
    assert "heads 6" in out


def test_data_check_says_what_is_missing(htnet: Htnet, composite: Path, tmp_path: Path) -> None:
    code, out, _ = htnet("data", "check", composite)
    assert (code, "CASME II" in out) == (0, True)
    (composite / "flow" / "7.png").unlink()
    code, out, _ = htnet("data", "check", composite)
    assert (code, "7.png" in out) == (1, True)
    code, _, err = htnet("data", "check", tmp_path / "nowhere")
    assert code != 0 and "xpected" in err
