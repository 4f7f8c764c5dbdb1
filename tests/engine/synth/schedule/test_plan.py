"""Plans: read as written, refused where impossible."""

import dataclasses
import pickle
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.errors import HTNetError, UsageError
from htnet.engine.synth.schedule.plan import (
    CameraPlan,
    EventPlan,
    EyePlan,
    HeadPlan,
    LightPlan,
    Plan,
    SpeechPlan,
    TimingPlan,
    plan_toml,
    read_plan,
    shipped_plans,
)


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "plan.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def ranges(least, most):
    return st.lists(st.floats(least, most), min_size=2, max_size=2).map(lambda r: tuple(sorted(r)))


plans = st.builds(
    Plan,
    size=st.sampled_from([(640, 360), (480, 360), (1280, 720)]),
    fps=st.floats(12, 200),
    seconds=st.floats(200, 7200),
    seed=st.integers(0, 2**32),
    events=st.builds(
        EventPlan,
        count=st.integers(0, 5),
        amplitude_px=ranges(0.3, 12),
        macro_share=st.floats(0, 1),
        muscles=st.dictionaries(
            st.sampled_from(sorted(MUSCLES)), st.sampled_from(["positive", "negative"]), min_size=1
        ),
        clear_s=st.dictionaries(st.sampled_from(["speech", "head turn"]), st.floats(0, 10)),
    ),
    head=st.builds(HeadPlan, sway_px=ranges(0, 12), yaw_degrees=st.floats(0, 12)),
    eyes=st.builds(EyePlan, blinks_per_minute=st.floats(0, 40)),
    speech=st.builds(SpeechPlan, share=st.floats(0, 0.5)),
    light=st.builds(LightPlan, mains_hz=st.sampled_from([50, 60])),
    camera=st.builds(CameraPlan, codec=st.sampled_from(["none", "mjpeg", "h264"])),
    timing=st.builds(TimingPlan, jitter_ms=st.floats(0, 20)),
)


@given(plan=plans)
def test_a_plan_written_out_is_the_same_plan(tmp_path_factory, plan):
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(plan_toml(plan), encoding="utf-8")
    assert read_plan(path) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_standard_is_what_it_is_said_to_be():
    plan = read_plan("standard")
    assert shipped_plans() == ("standard",)
    assert plan.head.yaw_degrees == 10 and plan.head.sway_px == (3, 10)
    assert plan.eyes.blinks_per_minute == 15
    assert plan.camera.noise == (2, 6)
    assert plan.camera.codec == "mjpeg" and plan.camera.quality == (40, 80)
    assert plan.light.flicker_percent == 3 and plan.light.exposure_percent == 20
    assert plan.light.exposures_per_minute > 0
    assert plan.timing.dropped_percent == 2
    assert plan.speech.share == 0.1 and plan.events.clear_s["speech"] == 0.7
    assert plan.events.micro_s == (0.1, 0.5) and plan.events.macro_share == 0
    assert plan.events.muscles == {m.name: m.label for m in MUSCLES.values()}


def test_nothing_disturbs_unless_a_plan_says_so(written):
    plan = read_plan(written(""))
    assert plan == Plan()
    assert plan.head.sway_px == (0, 0) and plan.camera.codec == "none"
    rates = [
        value
        for part in (plan.head, plan.eyes, plan.speech, plan.light, plan.timing)
        for name, value in dataclasses.asdict(part).items()
        if name.endswith(("per_minute", "share")) or part is plan.timing
    ]
    assert rates and not any(rates)


def test_one_number_is_a_range_of_its_own(written):
    plan = read_plan(written("[camera]\nnoise = 3\n[events]\namplitude_px = 1"))
    assert plan.camera.noise == (3.0, 3.0) and plan.events.amplitude_px == (1.0, 1.0)


@pytest.mark.parametrize(
    "text, says",
    [
        ("spedd = 3", "spedd"),
        ("[head]\nsway = 3", "sway_px"),
        ("[events]\ncount = 1\nmicro_s = [0.1, 0.9]", "micro_s"),
        ("seconds = 6\n[events]\ncount = 1\nmacro_share = 1\nmacro_s = [1, 4]", "up to 4 s"),
        ("seconds = 20\n[events]\ncount = 40", "40 of them"),
        ("[events]\namplitude_px = 0.2", "amplitude_px"),
        ("[events]\namplitude_px = [2, 1]", "rises"),
        ("fps = 8", "fps"),
        ("fps = 240", "fps"),
        ("fps = inf", "fps"),
        ("fps = nan", "fps"),
        ("fps = true", "a number"),
        ("fps = 1" + 400 * "0", "a number"),
        ("seed = 1.5", "a whole number"),
        ("size = [641, 360]", "even"),
        ("size = [640, 360, 3]", "two numbers"),
        ("eyes_px = 4", "eyes_px"),
        ("head = 3", "a table"),
        ("[events]\ncount = 2\nper_minute = 3", "leave one out"),
        ("[events.muscles]\n'ear wiggle' = 'positive'", "ear wiggle"),
        ("[events.muscles]\n'brow raise' = 'happy'", "happy"),
        ("[events.muscles]\n", "at least one"),
        ("[events.clear_s]\nsneeze = 1", "sneeze"),
        ("[light]\nmains_hz = 40", "50 or 60"),
        ("[camera]\ncodec = 'vp9'", "vp9"),
        ("= nonsense", "cannot be read"),
    ],
)
def test_the_impossible_is_refused_in_a_sentence(written, text, says):
    with pytest.raises(UsageError, match="expected") as refused:
        read_plan(written(text))
    assert says in str(refused.value)


@pytest.mark.parametrize("name", ["stadnard", "", "..", "\0", "x" * 5000])
def test_a_plan_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(UsageError, match="standard"):
        read_plan(name)


@given(
    text=st.dictionaries(
        st.sampled_from(["fps", "size", "seed", "events", "head", "seconds"]),
        st.one_of(
            st.integers(),
            st.floats(),
            st.booleans(),
            st.lists(st.integers() | st.floats(), max_size=3),
            st.just("word"),
        ),
    ).map(lambda table: "\n".join(f"{k} = {_toml(v)}" for k, v in table.items()))
)
def test_any_values_give_a_plan_or_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(text, encoding="utf-8")
    tomllib.loads(text)
    try:
        read_plan(path)
    except HTNetError as error:
        assert "expected" in str(error)


def _toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
