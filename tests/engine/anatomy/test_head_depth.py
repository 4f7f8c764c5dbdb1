"""Head depth: ground truth, pixels and a face tracker agree on a rotation."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.anatomy import head_depth as depth
from htnet.engine.anatomy.geometry import CHEEKS, FaceFrame
from htnet.engine.anatomy.head_depth import Head, turned
from htnet.engine.anatomy.muscles import MUSCLES, field
from htnet.engine.errors import FaceError
from htnet.engine.face.alignment import crop_transform, cut, transform_points
from htnet.engine.flow.opencv import Dis
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.pose import Pose

FIRM = [33, 133, 362, 263, 61, 291, 168, 6, 197, 4, 50, 280, 129, 358]
TURNS = [(8.0, 0.0), (-8.0, 0.0), (0.0, 6.0), (0.0, -6.0), (5.0, -5.0)]


@pytest.fixture(scope="module")
def animator():
    return Animator(load_portrait())


@pytest.fixture(scope="module")
def head(animator):
    return Head(animator.neutral, animator.pivot)


def pose(yaw, pitch, **more):
    return Pose(yaw=np.deg2rad(yaw), pitch=np.deg2rad(pitch), **more)


def test_the_nose_stands_out_and_the_background_is_flat(animator, head):
    unit = animator.face.unit
    tip, root, cheek, ear = (
        float(head.at(animator.neutral[ids].astype(np.float64)).mean()) / unit
        for ids in ([4], [168], list(CHEEKS), [234, 454])
    )
    assert tip > root + 0.2 > cheek + 0.2 > ear + 0.2 > 0.2
    assert tip < 1.8
    far = animator.neutral[[4]] + unit * np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, -3.5]])
    assert np.abs(head.at(far)).max() < 0.02 * unit


def test_depth_on_a_grid_is_depth_at_its_points(head):
    x, y = np.arange(250.0, 400.0, 7.0), np.arange(100.0, 300.0, 11.0)
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    np.testing.assert_allclose(head.on_grid(x, y).ravel(), head.at(points), atol=1e-3)


def test_missing_depths_are_a_sentence(animator, monkeypatch, tmp_path):
    monkeypatch.setattr(depth, "_FILE", tmp_path / "head_depth.npy")
    with pytest.raises(FaceError, match="install the package again"):
        Head(animator.neutral, animator.pivot)


@given(
    x=st.floats(-80, 80),
    y=st.floats(-80, 80),
    z=st.floats(0, 120),
    yaw=st.floats(-0.2, 0.2),
    pitch=st.floats(-0.2, 0.2),
)
def test_a_turn_is_a_rotation_seen_from_the_front(x, y, z, yaw, pitch):
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    )
    there = about_x @ about_y @ (x, y, z)
    moved = turned(np.array([x, y]), np.array(z), yaw, pitch)
    np.testing.assert_allclose(np.array([x, y]) + moved, there[:2], atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(yaw=st.floats(-12, 12), pitch=st.floats(-10, 10), grow=st.floats(0.7, 1.6))
def test_landmarks_never_fold(yaw, pitch, grow):
    """Landmarks keep their order along the eye line and down the nose."""
    points = load_portrait().landmarks * np.float32(grow)
    head = Head(points, points[[10, 152]].mean(0).astype(np.float64))
    at = points.astype(np.float64)
    moved = at + turned(at - head.pivot, head.at(at), np.deg2rad(yaw), np.deg2rad(pitch))
    across, down = [234, 33, 133, 6, 362, 263, 454], [10, 151, 9, 168, 197, 4, 0, 17, 152]
    assert (np.diff(moved[across, 0]) > 0).all()
    assert (np.diff(moved[down, 1]) > 0).all()


@pytest.mark.parametrize(("yaw", "pitch"), TURNS)
def test_the_pixels_turn_as_the_landmarks_do(animator, yaw, pitch):
    before = cv2.cvtColor(animator.render(), cv2.COLOR_BGR2GRAY)
    turn = pose(yaw, pitch, x=4.0, roll=0.02)
    after = cv2.cvtColor(animator.render(turn), cv2.COLOR_BGR2GRAY)
    points, truth = animator.neutral[FIRM], animator.landmarks(turn)[FIRM]
    found, _, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points.reshape(-1, 1, 2),
        truth.reshape(-1, 1, 2).copy(),
        winSize=(9, 9),
        maxLevel=0,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    assert np.median(np.hypot(*(found[:, 0] - truth).T)) < 0.25


def test_the_background_stays_still(animator):
    still = animator.render().astype(int)
    turning = animator.render(pose(10.0, 8.0)).astype(int)
    np.testing.assert_array_equal(turning[:, :40], still[:, :40])
    np.testing.assert_array_equal(turning[:, -40:], still[:, -40:])


@pytest.mark.parametrize(("yaw", "pitch"), TURNS)
def test_a_face_tracker_agrees_under_turns(animator, tracker, yaw, pitch):
    turn = pose(yaw, pitch)
    tracker.reset()
    resting = tracker.find(animator.render(), 0).landmarks
    for frame in range(1, 4):
        found = tracker.find(animator.render(turn), frame * 40_000_000).landmarks
    truth = animator.landmarks(turn) - animator.landmarks()
    error = np.hypot(*((found - resting) - truth)[FIRM].T)
    print(
        np.median(error),
        error.max(),
        ((found - resting)[FIRM] * truth[FIRM]).sum() / (truth[FIRM] ** 2).sum(),
    )
    assert np.median(error) < 1.5 and error.max() < 3.0


@pytest.mark.slow
def test_a_turn_alone_is_rigid_motion_and_no_muscle(animator):
    """The flow of a rotation follows the depth and resembles no muscle's field."""
    to_crop = crop_transform(animator.neutral)
    turn = pose(1.5, 1.0)  # as far as a held crop lets a head go
    flow = Dis()(cut(animator.render(), to_crop), cut(animator.render(turn), to_crop))
    truth = turned_crop(animator, turn, to_crop)
    inside = np.s_[20:150, 15:125]
    seen, told = flow[inside].ravel(), truth[inside].ravel()
    assert np.corrcoef(seen, told)[0, 1] > 0.95
    rest = flow - truth
    points = transform_points(animator.landmarks(turn), to_crop)
    for muscle in MUSCLES.values():
        own = field(muscle, points, (140, 170))
        pull = float((rest * own)[inside].sum() / (own[inside] ** 2).sum())
        assert abs(pull) < 0.25, muscle.name  # px, where the turn moves the nose by 2.5


def turned_crop(animator, turn, to_crop):
    """True flow (170, 140, 2) of a rotation on the crop."""
    back = cv2.invertAffineTransform(to_crop)
    grid = np.stack(np.meshgrid(np.arange(140.0), np.arange(170.0)), -1).reshape(-1, 2)
    at = grid @ back[:, :2].T + back[:, 2]
    head = Head(animator.neutral, animator.pivot)
    moved = turned(at - head.pivot, head.at(at), turn.yaw, turn.pitch)
    return (moved @ to_crop[:, :2].T).reshape(170, 140, 2)


def test_walking_up_to_the_camera_magnifies_all(animator):
    for scale in (1.02, 1.2, 1.4):
        near = Pose(x=10.0, y=-6.0, scale=scale)
        plain = animator.render()
        wanted = cv2.warpAffine(
            plain, near.matrix(animator.pivot), (640, 360), flags=cv2.INTER_CUBIC
        )
        x0, y0 = np.maximum(animator.landmarks(near).min(0).astype(int), 0)
        x1, y1 = animator.landmarks(near).max(0).astype(int)
        got = animator.render(near)[y0:y1, x0:x1].astype(int)
        assert np.abs(got - wanted[y0:y1, x0:x1]).mean() < 1.5
    assert Pose(scale=1.01).zoom == 1.0
    assert Pose(scale=1.4).zoom == pytest.approx(1.4 / 1.02)


def mesh_depth(points):
    """Depth (478,) of a mesh (478, 3) in px, in eye distances towards the camera, 0.15 in front of
    the axes of rotation at least. z as in MediaPipe: away from the camera, in the scale of x.

    ``assets/head_depth.npy`` is this function's answer for the shipped portrait.
    """
    face = FaceFrame.of(points[:, :2])
    x, y = face.points.T
    z = -points[:, 2] / face.unit
    mirror = np.argmin((x[:, None] + x) ** 2 + (y[:, None] - y) ** 2, axis=1)
    # yaw that makes both sides equally deep, by least squares in small angles
    slope = float((x * (z - z[mirror])).sum() / (x * (x - x[mirror])).sum())
    level = z - slope * x
    level = (level + level[mirror]) / 2
    return level - level[:468].min() + 0.15


def test_shipped_depths_are_those_of_the_shipped_portrait():
    mediapipe = pytest.importorskip("mediapipe")
    bgr = load_portrait().bgr[:300, 90:390]
    big = cv2.cvtColor(cv2.resize(bgr, (1200, 1200)), cv2.COLOR_BGR2RGB)
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True
    ) as mesh:
        points = mesh.process(big).multi_face_landmarks[0].landmark
    found = mesh_depth(np.array([(p.x, p.y, p.z) for p in points]) * 1200)
    shipped = np.load(depth._FILE)
    assert np.abs(found - shipped)[FIRM].max() < 0.12  # eye distances; the nose stands out by 1.7
    assert shipped[:468].min() == pytest.approx(0.15, abs=1e-6)


@pytest.fixture(scope="module")
def tracker():
    pytest.importorskip("mediapipe")
    from htnet.engine.face.tracker import MeshTracker

    tracker = MeshTracker()
    yield tracker
    tracker.close()
