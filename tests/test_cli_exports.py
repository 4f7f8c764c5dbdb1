"""`htnet export-onnx`, `export-trt` and `evaluate runtimes`: engines, their cards, their parity."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from htnet.calib.engines.export import COUNT, DRAWN, REAL
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.engine.runtimes.engine_card import Parity, read_card
from htnet.training.augmentation.reanimated_pairs import spread

Said = tuple[int, str, str]
Htnet = Callable[..., Said]


def refused(said: Said, *parts: str, code: int = 1) -> None:
    """The command failed with a sentence, the last line on stderr."""
    assert said[0] == code, said
    sentence = said[2].strip().splitlines()[-1]
    assert sentence.startswith("htnet: ")
    for part in parts:
        assert part in sentence, said[2]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr("htnet.engine.runtimes.build.cache_folder", lambda: folder)
    return folder


@pytest.fixture
def composite(data: Path) -> Path:
    if not (data / "composite").is_dir():
        pytest.skip("HTNET_DATA holds no composite")
    return data / "composite"


@pytest.mark.slow
def test_an_onnx_network_without_data(htnet: Htnet, tmp_path: Path) -> None:
    out = tmp_path / "network.onnx"
    code, told, err = htnet("export-onnx", "--out", out)
    assert code == 0
    engine, card, parity = told.splitlines()
    assert (engine, card) == (f"engine: {out}", f"card: {out}.json")
    assert "48 pairs (drawn from the shipped portrait): equal labels on 100.0%" in parity
    assert "Building the fp32 network" in err
    found = read_card(out).parity
    assert isinstance(found, Parity)
    assert (found.pairs, found.source, found.label_agreement) == (COUNT, DRAWN, 1.0)
    assert found.max_difference < 1e-4
    code, told, err = htnet("export-onnx", "--out", out)
    assert (code, err) == (0, "")
    assert "was there already" in told


@pytest.mark.slow
def test_int8_is_exported_on_real_pairs_and_live_picks_it_up(
    htnet: Htnet, composite: Path, cache: Path
) -> None:
    asked = ("export-onnx", "--precision", "int8")
    refused(htnet(*asked), "real pairs", "--data", code=2)
    assert not cache.exists()
    code, told, _ = htnet(*asked, "--data", composite)
    assert code == 0
    assert f"48 pairs ({REAL})" in told
    (engine,) = cache.glob("*.onnx")
    said: list[str] = []
    opened = open_recognizer(runtime="onnx", precision="int8", say=said.append)
    assert said == []  # it is not built again
    assert opened.network.precision == "int8"
    before = engine.stat().st_mtime_ns
    code, told, _ = htnet(*asked, "--data", composite)  # its ranges are measured anew
    assert code == 0
    assert "was there already" not in told
    assert engine.stat().st_mtime_ns > before


@pytest.mark.slow
def test_what_cannot_be_run_here_is_said(htnet: Htnet, tmp_path: Path) -> None:
    out = tmp_path / "half.onnx"
    code, told, _ = htnet("export-onnx", "--precision", "bf16", "--batch", 2, "--out", out)
    assert code == 0
    assert "parity: not run here: ONNX Runtime has no bf16 kernels" in told
    assert read_card(out).batch == 2


@pytest.mark.slow
def test_a_pair_graph_with_and_without_motion(htnet: Htnet, tmp_path: Path) -> None:
    out = tmp_path / "pair.onnx"
    code, told, _ = htnet("export-onnx", "--part", "pair", "--no-motion", "--out", out)
    assert code == 0
    assert "equal labels on 100.0%" in told
    assert read_card(out).outputs == ("probabilities",)
    code, _, err = htnet("export-onnx", "--part", "pair", "--out", out)
    assert code == 0
    assert "is built again" in err
    assert read_card(out).outputs == ("probabilities", "flow", "head")


@pytest.mark.slow
def test_a_tensorrt_rtx_engine_is_built_without_a_gpu(htnet: Htnet, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    out = tmp_path / "network.plan"
    asked = ("export-trt", "--runtime", "tensorrt-rtx", "--part", "network", "--out", out)
    code, told, _ = htnet(*asked, "--target", "sm80")
    assert code == 0
    assert out.stat().st_size > 10**5
    card = read_card(out)
    assert (card.target, card.runtime, card.part) == ("sm80", "tensorrt-rtx", "network")
    if isinstance(card.parity, str):
        assert "not run here: " in told


@pytest.mark.slow
def test_exports_that_cannot_be(htnet: Htnet, tmp_path: Path) -> None:
    out = tmp_path / "x.onnx"
    refused(htnet("export-onnx", "--precision", "fp99"), "fp16", code=2)
    refused(htnet("export-onnx", "--part", "half", "--out", out), "pair, network", code=2)
    refused(htnet("export-onnx", "--flow", "raft", "--out", out), "raft", code=2)
    refused(htnet("export-trt", "--runtime", "onnx", "--out", out), "tensorrt-rtx", code=2)
    refused(htnet("export-onnx", "--model", tmp_path / "none.safetensors"), "none.safetensors")
    refused(htnet("export-onnx", "--out", "/proc/none/x.onnx"), "/proc/none/x.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_runtimes_are_held_against_eager(htnet: Htnet, composite: Path, tmp_path: Path) -> None:
    rows, page = tmp_path / "rows.json", tmp_path / "page.md"
    code, told, _ = htnet(
        *("evaluate", "runtimes", "--data", composite, "--pairs", 4, "--flow", "dis"),
        *("--ways", "torch:fp32,onnx:int8", "--json", rows, "--markdown", page),
    )
    assert code == 0, told
    read = json.loads(rows.read_text())
    assert [(r["runtime"], r["precision"]) for r in read["rows"]] == [
        ("torch", "fp32"),
        ("onnx", "int8"),
    ]
    assert all(r["holds"] for r in read["rows"])
    assert read["rows"][0]["agreement"]["pairs"] == 4
    assert told in page.read_text()


def test_runtimes_that_cannot_be_compared(htnet: Htnet, tmp_path: Path) -> None:
    asked = ("evaluate", "runtimes", "--data", tmp_path)
    refused(htnet(*asked, "--ways", "torch:fp32,warp:fp9"), "'warp:fp9'", code=2)
    refused(htnet(*asked, "--view", "side"), "plain, camera", code=2)


@pytest.mark.parametrize(
    ("groups", "count", "taken"),
    [
        ("aabbbbcc", 3, [0, 2, 6]),
        ("aabbbbcc", 6, [0, 1, 2, 4, 6, 7]),
        ("aabbbbcc", 99, list(range(8))),
        ("abbbbbbb", 5, [0, 1, 2, 4, 6]),
        ("aabb", 1, None),
    ],
)
def test_pairs_are_spread_over_datasets(groups: str, count: int, taken: list[int] | None) -> None:
    found = spread(groups, count)
    assert len(found) == min(count, len(groups))
    assert found == sorted(set(found))
    assert taken is None or found == taken
