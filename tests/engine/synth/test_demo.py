"""The demonstration clip: events, motion and noise for any seed."""

import itertools

import cv2
import numpy as np
import pytest

from htnet.engine.anatomy.geometry import eye_centres
from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.errors import UsageError
from htnet.engine.synth.demo import DemoConfig, DemoPlan, render_demo
from htnet.engine.synth.face.pose import REST
from htnet.engine.types import CLASSES

SEEDS = range(200)
S = 1_000_000_000


@pytest.fixture(scope="module")
def clip():
    return render_demo()


@pytest.fixture(scope="module")
def plans():
    return [DemoPlan.draw(DemoConfig(seed=seed)) for seed in SEEDS]


def test_one_expression_of_each_class_in_changing_order(plans):
    for plan in plans:
        assert sorted(e.label for e in plan.events) == sorted(CLASSES)
        assert all(MUSCLES[e.muscle].label == e.label for e in plan.events)
    assert len({tuple(e.label for e in plan.events) for plan in plans}) == 6


def test_sizes_and_durations_are_those_of_micro_expressions(plans):
    amplitudes = [e.amplitude_px for plan in plans for e in plan.events]
    assert 0.8 <= min(amplitudes) < 0.9 and 1.9 < max(amplitudes) <= 2.0
    durations = [(e.offset_ns - e.onset_ns) / S for plan in plans for e in plan.events]
    assert 0.1199 <= min(durations) < 0.14 and 0.38 < max(durations) <= 0.4001
    for plan in plans:
        for e in plan.events:
            assert 0.37 < (e.apex_ns - e.onset_ns) / (e.offset_ns - e.onset_ns) < 0.47


def test_expressions_are_apart_and_leave_time_to_learn_the_noise(plans):
    for plan in plans:
        assert plan.events[0].onset_ns >= 2.5 * S
        assert plan.events[-1].offset_ns <= 12.0 * S - 0.5 * S
        for one, other in zip(plan.events, plan.events[1:], strict=False):
            assert other.onset_ns - one.offset_ns >= 1.5 * S


def test_blinks_keep_off_the_expressions(plans):
    counts = set()
    for plan in plans:
        counts.add(len(plan.blinks))
        for start, end in plan.blinks:
            assert 0.149 * S <= end - start <= 0.301 * S
            assert start >= 0 and end <= 12.0 * S
            for e in plan.events:
                assert end <= e.onset_ns - 0.49 * S or start >= e.offset_ns + 0.49 * S
        for one, other in zip(plan.blinks, plan.blinks[1:], strict=False):
            assert other[0] - one[1] > 0.5 * S
    assert counts == {3, 4, 5}


def test_head_sways_by_five_px_and_slowly(plans):
    times = np.arange(0, 12 * S, S // 30)
    for plan in plans:
        poses = [plan.sway.at(int(t)) for t in times]
        xy = np.array([(p.x, p.y) for p in poses])
        reach = np.hypot(*xy.T)
        assert 5.0 <= reach.max() <= 9.0
        assert np.hypot(*np.diff(xy, axis=0).T).max() < 1.0  # px a frame
        assert max(abs(p.roll) for p in poses) <= np.deg2rad(1.5) + 1e-9
        assert max(abs(p.scale - 1.0) for p in poses) <= 0.01 + 1e-9


def test_the_same_seed_gives_the_same_clip_in_any_order(clip):
    again = render_demo(DemoConfig(seed=0))
    last, first = again.frame(100), again.frame(3)
    for frame in (first, last):
        same = clip.frame(frame.index)
        assert same.t_ns == frame.t_ns
        np.testing.assert_array_equal(same.bgr, frame.bgr)
    other = render_demo(DemoConfig(seed=1))
    assert (other.frame(3).bgr != first.bgr).any()
    assert other.truth[0].onset_ns != clip.truth[0].onset_ns


def test_frames_and_times(clip):
    assert len(clip) == clip.frame_count == 360
    frames = iter(clip)
    indices = [next(frames) for _ in range(3)]
    assert [f.index for f in indices] == [0, 1, 2]
    assert [f.t_ns for f in indices] == [0, 33_333_333, 66_666_667]
    assert indices[0].bgr.shape == (360, 640, 3) and indices[0].bgr.dtype == np.uint8
    for beyond in (-1, 360):
        with pytest.raises(IndexError):
            clip.frame(beyond)


def test_frame_rate_changes_neither_truth_nor_motion(clip):
    fast = render_demo(DemoConfig(fps=200.0))
    assert len(fast) == 2400
    assert [e.onset_ns for e in fast.truth] == [e.onset_ns for e in clip.truth]
    np.testing.assert_allclose(fast.landmarks(200), clip.landmarks(30))


def test_landmarks_reach_the_stated_amplitude_at_the_apex(clip):
    for event in clip.truth:
        t = event.apex_ns
        assert clip.activations(t) == {event.muscle: pytest.approx(event.amplitude_px)}
        assert clip.activations(event.onset_ns) == clip.activations(event.offset_ns) == {}
        rest = clip.animator.landmarks(clip.pose(t))
        apex = clip.animator.landmarks(clip.pose(t), clip.activations(t))
        px = np.hypot(*(apex - rest).T).max() / clip.animator.face.crop_px
        assert 0.9 * event.amplitude_px < px < 1.03 * event.amplitude_px


def crop(clip, i):
    """Frame ``i`` in the canonical crop, by the true pose."""
    eyes = eye_centres(clip.animator.landmarks(clip.pose(clip.time_ns(i))))
    z, w = complex(*eyes[0]), complex(*eyes[1])
    a = 72.8 / (w - z)
    b = complex(32.9, 44.2) - a * z
    matrix = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
    return cv2.cvtColor(cv2.warpAffine(clip.frame(i).bgr, matrix, (140, 170)), cv2.COLOR_BGR2GRAY)


@pytest.mark.parametrize("seed", range(4))
def test_flow_between_onset_and_apex_has_the_signature_of_its_class(seed):
    clip = render_demo(DemoConfig(seed=seed))
    solver = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for event in clip.truth:
        onset, apex = int(event.onset_ns * 30 / S), round(event.apex_ns * 30 / S)
        flow = solver.calc(crop(clip, onset), crop(clip, apex), None)
        flow -= np.median(flow.reshape(-1, 2), axis=0)
        brows = flow[18:34, 25:115, 1].mean()
        corners = flow[115:133, 28:48, 0].mean() - flow[115:133, 92:112, 0].mean()
        expected = {"surprise": -brows, "negative": brows, "positive": -corners}[event.label]
        now = clip.activations(clip.time_ns(apex))[event.muscle]
        assert 0.25 * now < expected < 1.6 * now
        if event.label == "positive":
            assert abs(brows) < 0.15
        else:
            assert abs(corners) < 0.2


def test_eyes_close_in_every_blink_and_only_then(clip):
    closed = np.array([clip.closure(t) for t in range(0, 12 * S, 2_000_000)])
    inside = np.zeros(len(closed), bool)
    for start, end in clip.blinks:
        part = slice(start // 2_000_000, end // 2_000_000 + 2)
        assert closed[part].max() > 0.99
        inside[part] = True
    assert not closed[~inside].any()


def test_still_clip_is_one_picture_with_noise_of_the_right_size():
    clip = render_demo(DemoConfig(still=True, seconds=60.0, noise=2.5))
    assert len(clip) == 1800 and clip.truth == () and clip.blinks == ()
    assert clip.pose(30 * S) == REST
    clean = clip.animator.render().astype(int)
    room = ((clean > 15) & (clean < 240)).all(-1)
    noise = [clip.frame(i).bgr.astype(int) - clean for i in (0, 1, 900, 1799)]
    for one in noise:
        assert abs(one[room].mean()) < 0.05
        assert one[room].std() == pytest.approx(2.5, abs=0.06)
        near = np.corrcoef(one[:, :-1, 0].ravel(), one[:, 1:, 0].ravel())[0, 1]
        assert abs(near) < 0.02
    for one, other in itertools.pairwise(noise):
        assert abs(np.corrcoef(one[room].ravel(), other[room].ravel())[0, 1]) < 0.02


def test_without_noise_a_still_clip_does_not_change():
    clip = render_demo(DemoConfig(still=True, seconds=1.0, noise=0.0))
    np.testing.assert_array_equal(clip.frame(0).bgr, clip.frame(29).bgr)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"fps": 0.0}, {"seconds": 3.0}, {"noise": -1.0}, {"size": (10, 10)}]
)
def test_what_cannot_be_rendered_is_refused_with_a_sentence(wrong):
    with pytest.raises(UsageError, match="expected"):
        render_demo(DemoConfig(**wrong))


def test_shortest_clip_still_holds_everything():
    for seed in range(40):
        plan = DemoPlan.draw(DemoConfig(seed=seed, seconds=8.0))
        assert len(plan.events) == 3
        assert plan.events[-1].offset_ns < 8 * S
