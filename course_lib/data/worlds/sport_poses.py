"""`sport_poses`: athletes at eight sports, full body, every joint known. Stands beside Olympic Sports and Leeds Sports.

Source: seed 000 section 3.3 and seed 003 section 4.5 (pose retrieval on Olympic Sports, pose estimation on Leeds).
"""

import torch

from ...checks import check_positive
from ..videos import VideoSet
from . import figure
from .backgrounds import backdrop
from .draws import SPLITS, balanced, check_share, check_world, smooth_noise, stream, uniform
from .rasteriser import render
from .sport_programs import ACTIVITIES, PROGRAMS, VIEW
from .sport_props import with_props

FRAMES_PER_PASS = 40.0  # frames of one pass through an activity at speed 1


def sport_poses(
    split: str = "train",
    videos: int | None = None,
    length: int | None = None,
    size: int = 64,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    subjects: int = 24,
    speed: float = 1.0,
    style: float = 1.0,
    background_identity: float = 1.0,
    camera_drift: float = 3.0,
    light: float = 1.0,
    noise: float = 0.02,
    jitter: float = 1.0,
    activities: tuple[str, ...] | None = None,
    props: bool = True,
    zoom: float = 1.0,
) -> VideoSet:
    """Videos of athletes, cropped to the person as the seeds' detections are.

    split: "train", "test" (other subjects, other backgrounds) or "stills" (single unrelated pictures of unseen
    people in unseen poses: mixtures of two sports with perturbed joints). videos: 208 (stills: 1000) by default.
    length: frames per video, 40 by default; 1 in the split "stills".
    speed: passes per 40 frames; limbs move about 4 pixels a frame in running at 64 pixels and speed 1.
    style: spread of how differently one activity is done, 0 … 2. jitter: wobble of the person's box, pixels at 64.
    background_identity: 0 four shared backgrounds … 1 each video has its own. camera_drift, noise, light: see
    `backgrounds.backdrop`. props: draw the javelin, barbell, ball, hammer, racket.
    zoom: size of the person in the box; above about 1.3 raised arms leave the picture.

    Per video: activity, subject, facing (0 right, 1 left), speed, background. Per frame: phase in [0, 1) of the pass
    through the activity, turn (degrees, [0, 360), of the body about the vertical, 0 in right profile),
    joints (15, 2) pixels and joints_person (15, 2). In ``joints`` "right" is the side nearer to the camera
    (observer-centric, as in the Leeds protocol); in ``joints_person`` it is the athlete's own right.
    The same arguments give the same bits on the CPU. Raises ValueError naming a bad argument.
    """
    stills = split == "stills"
    videos = (1000 if stills else 208) if videos is None else videos
    length = (1 if stills else 40) if length is None else length
    check_world(split, videos, length, size)
    if stills and length != 1:
        raise ValueError(f"length is {length!r}; the split 'stills' takes single pictures, length 1")
    check_positive("subjects", subjects)
    check_positive("speed", speed, integer=False)
    check_positive("zoom", zoom, integer=False)
    check_share("style", style, 2.0)
    check_share("background_identity", background_identity)
    for name, value in (
        ("camera_drift", camera_drift),
        ("light", light),
        ("noise", noise),
        ("jitter", jitter),
    ):
        check_positive(name, value, integer=False, zero=True)
    wanted = _activities(activities)

    draw = stream(seed, "sport_poses", split, "videos")
    count = videos if stills else min(subjects, videos)
    crowd = figure.people(stream(seed, "sport_poses", split, "subjects"), count)
    subject = torch.arange(videos) if stills else torch.randint(count, (videos,), generator=draw)
    activity = wanted[balanced(draw, len(wanted), videos)]
    facing = torch.randint(2, (videos,), generator=draw)
    pace = speed * uniform(draw, 0.8, 1.25, videos)
    start = uniform(draw, 0.0, 1.0 if stills else 0.12, videos)
    time = torch.arange(length, dtype=torch.float32)
    phase = (start[:, None] + pace[:, None] / FRAMES_PER_PASS * time).view(-1)
    of = torch.arange(videos).repeat_interleave(length)

    angles = _angles(draw, activity, phase, videos, length, style, stills, wanted)
    view = torch.tensor(VIEW, dtype=torch.float32)[activity] * torch.sign(uniform(draw, -1, 1, videos))
    view = view + uniform(draw, -25, 25, videos) + 180 * facing
    angles[:, figure.INDEX["yaw"]] += view[of]
    body = crowd.of(subject[of])
    points = figure.joints(angles, body)

    scale = zoom * size * uniform(draw, 0.60, 0.74, videos)[of] * body.height
    pixels, ground = _frame_person(points, scale, videos, length, size, jitter, draw)
    near = figure.near_first(points)
    parts = figure.shapes(pixels, near, body, scale, ground)
    if props:
        yaw = angles[:, figure.INDEX["yaw"]].deg2rad()
        parts = with_props(parts, activity[of], phase, yaw, pixels, scale, ground, near)
    scene, background = backdrop(
        seed, f"sport_poses {split}", videos, length, size,
        identity=background_identity, drift=camera_drift * size / 64, noise=noise, light=light, horizon=0.72,
    )  # fmt: skip
    scene, parts = scene.to(device), [part.to(device) for part in parts]
    frames = render(videos * length, scene, parts, scene.develop)

    person = pixels[:, :15]
    observer = torch.where(near[:, None, None], person, person[:, list(figure.MIRRORED)])
    return VideoSet(
        name="sport_poses",
        frames=frames,
        starts=torch.arange(videos + 1) * length,
        video={
            "activity": activity, "subject": subject + 10_000 * SPLITS.index(split), "facing": facing,
            "speed": pace, "background": background,
        },
        frame={
            "phase": (phase % 1).clamp(max=0.999999), "turn": angles[:, figure.INDEX["yaw"]] % 360,
            "joints": observer, "joints_person": person,
        },
        names={"activity": ACTIVITIES, "facing": ("right", "left")},
        skeleton=figure.SKELETON,
    )  # fmt: skip


def _activities(names):
    names = ACTIVITIES if names is None else tuple(names)
    unknown = [name for name in names if name not in ACTIVITIES]
    if unknown or not names:
        raise ValueError(f"activities is {names!r}; it takes names out of {', '.join(ACTIVITIES)}")
    return torch.tensor([ACTIVITIES.index(name) for name in names])


def _angles(draw, activity, phase, videos, length, style, stills, wanted):
    """Joint angles of every frame: the activity's program, done a little differently in every video."""
    of = torch.arange(videos).repeat_interleave(length)
    angles = PROGRAMS(activity[of], phase)
    if stills:
        other = wanted[torch.randint(len(wanted), (videos,), generator=draw)]
        second = PROGRAMS(other, uniform(draw, 0, 1, videos))
        weight = uniform(draw, 0.5, 1.0, videos)[:, None]
        keep = angles[:, figure.INDEX["yaw"] : figure.INDEX["yaw"] + 1].clone()
        angles = weight * angles + (1 - weight) * second + 9.0 * torch.randn(angles.shape, generator=draw) * _LOOSE
        angles[:, figure.INDEX["yaw"] : figure.INDEX["yaw"] + 1] = keep
    amplitude = 1 + 0.12 * style * uniform(draw, -1, 1, videos)
    mean = PROGRAMS.mean()[activity]
    fixed = _LOOSE > 0
    scaled = mean[of] + amplitude[of, None] * (angles - mean[of])
    angles = torch.where(fixed, scaled, angles)
    offset = 5.0 * style * torch.randn(videos, len(figure.ANGLES), generator=draw) * _LOOSE
    sway = torch.stack([smooth_noise(draw, videos, length, 6) for _ in figure.ANGLES], -1)
    angles = angles + offset[of] + 2.5 * style * sway.view(-1, len(figure.ANGLES)) * _LOOSE
    knees = [figure.INDEX[k] for k in ("r_knee", "l_knee", "r_elbow", "l_elbow")]
    angles[:, knees] = angles[:, knees].clamp(min=0)  # they do not bend the other way
    return angles


_LOOSE = torch.ones(len(figure.ANGLES))  # which angles style may change, and how much
for _name, _share in {
    "up": 0,
    "yaw": 0,
    "pitch": 0,
    "point": 0,
    "r_straddle": 0.4,
    "l_straddle": 0.4,
    "roll": 0.6,
}.items():
    _LOOSE[figure.INDEX[_name]] = _share


def _frame_person(points, scale, videos, length, size, jitter, draw):
    """Place the person in the picture as a detector's box would: centred, smoothed over time, a little off."""
    flat = torch.stack([points[..., 0], -points[..., 1]], -1) * scale[:, None, None]
    middle = (flat.amin(1) + flat.amax(1)) / 2
    track = middle.view(videos, length, 2).transpose(1, 2)
    track = torch.nn.functional.pad(track, (2, 2), mode="replicate")
    track = torch.nn.functional.avg_pool1d(track, 5, 1).transpose(1, 2).reshape(-1, 2)
    wobble = torch.stack([smooth_noise(draw, videos, length, 7) for _ in range(2)], -1).view(-1, 2)
    shift = (size - 1) / 2 - track + jitter * size / 64 * wobble
    low, high = 2 - flat.amin(1), size - 3 - flat.amax(1)  # no joint leaves the picture if there is room for all
    shift = torch.where(low <= high, torch.minimum(torch.maximum(shift, low), high), shift)
    pixels = flat + shift[:, None]
    return pixels, shift[:, 1] + 0.012 * scale
