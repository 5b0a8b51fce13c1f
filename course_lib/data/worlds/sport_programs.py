"""Key poses of the eight sports of `sport_poses` (angles in degrees, see `figure.pose`)."""

from .figure import Programs, mirrored, pose

STRIDE = [
    pose(
        lean=14,
        right_arm=(-50, 10, 85),
        left_arm=(50, 10, 85),
        right_leg=(72, 2, 95),
        left_leg=(-26, 2, 12),
        up=0.03,
    ),
    pose(
        lean=14,
        right_arm=(-25, 10, 80),
        left_arm=(28, 10, 80),
        right_leg=(52, 2, 45),
        left_leg=(-32, 2, 70),
        up=0.06,
    ),
    pose(
        lean=12,
        right_arm=(15, 10, 80),
        left_arm=(-15, 10, 80),
        right_leg=(24, 2, 10),
        left_leg=(0, 2, 115),
        up=0.0,
    ),
]
RUN = STRIDE + [mirrored(key) for key in STRIDE]

LONG_JUMP = RUN * 3 + [
    pose(
        lean=2,
        right_arm=(130, 15, 30),
        left_arm=(60, 15, 60),
        right_leg=(90, 2, 95),
        left_leg=(-24, 2, 4),
        up=0.08,
    ),
    pose(
        lean=-8,
        right_arm=(178, 18, 10),
        left_arm=(170, 18, 10),
        right_leg=(20, 6, 50),
        left_leg=(-15, 6, 70),
        up=0.30,
    ),
    pose(
        lean=28,
        right_arm=(120, 15, 10),
        left_arm=(115, 15, 10),
        right_leg=(78, 6, 30),
        left_leg=(70, 6, 35),
        up=0.32,
    ),
    pose(
        lean=42,
        right_arm=(60, 12, 10),
        left_arm=(55, 12, 10),
        right_leg=(86, 6, 14),
        left_leg=(82, 6, 18),
        up=0.10,
    ),
    pose(
        lean=50,
        right_arm=(70, 12, 20),
        left_arm=(65, 12, 20),
        right_leg=(112, 8, 118),
        left_leg=(108, 8, 120),
    ),
    pose(lean=22, right_arm=(10, 10, 60), left_arm=(30, 10, 60), right_leg=(40, 4, 50), left_leg=(5, 4, 30)),
]
JAVELIN = [
    pose(
        lean=4,
        twist=10,
        right_arm=(95, 35, 115),
        left_arm=(-20, 10, 40),
        right_leg=(35, 3, 25),
        left_leg=(-22, 3, 20),
    ),
    pose(
        lean=0,
        twist=25,
        right_arm=(60, 45, 80),
        left_arm=(45, 12, 30),
        right_leg=(-20, 3, 20),
        left_leg=(38, 3, 20),
    ),
    pose(
        lean=-10,
        twist=55,
        right_arm=(-55, 50, 20),
        left_arm=(85, 15, 20),
        right_leg=(48, 3, 50),
        left_leg=(-22, 3, 12),
    ),
    pose(
        lean=-20,
        twist=60,
        right_arm=(-70, 55, 15),
        left_arm=(95, 15, 15),
        right_leg=(-8, 3, 35),
        left_leg=(58, 3, 20),
    ),
    pose(
        lean=-14,
        twist=30,
        right_arm=(60, 70, 95),
        left_arm=(60, 20, 40),
        right_leg=(-34, 4, 35),
        left_leg=(42, 3, 4),
    ),
    pose(
        lean=10,
        twist=-10,
        right_arm=(165, 25, 30),
        left_arm=(0, 20, 80),
        right_leg=(-40, 4, 25),
        left_leg=(26, 3, 0),
    ),
    pose(
        lean=48,
        twist=-40,
        right_arm=(75, -5, 10),
        left_arm=(-45, 25, 50),
        right_leg=(15, 4, 60),
        left_leg=(-4, 3, 12),
    ),
    pose(
        lean=38,
        twist=-25,
        right_arm=(20, 0, 25),
        left_arm=(-20, 20, 40),
        right_leg=(48, 4, 45),
        left_leg=(-25, 3, 25),
    ),
]
CLEAN_AND_JERK = [
    pose(
        lean=58,
        right_arm=(56, 14, 4),
        left_arm=(56, 14, 4),
        right_leg=(102, 14, 118),
        left_leg=(102, 14, 118),
    ),
    pose(lean=48, right_arm=(47, 14, 4), left_arm=(47, 14, 4), right_leg=(52, 12, 58), left_leg=(52, 12, 58)),
    pose(
        lean=-4,
        right_arm=(5, 16, 30),
        left_arm=(5, 16, 30),
        right_leg=(2, 10, 2),
        left_leg=(2, 10, 2),
        point=35,
    ),
    pose(
        lean=14,
        right_arm=(82, 16, 140),
        left_arm=(82, 16, 140),
        right_leg=(106, 20, 124),
        left_leg=(106, 20, 124),
    ),
    pose(lean=0, right_arm=(80, 16, 142), left_arm=(80, 16, 142), right_leg=(0, 9, 2), left_leg=(0, 9, 2)),
    pose(
        lean=0, right_arm=(80, 16, 142), left_arm=(80, 16, 142), right_leg=(28, 9, 46), left_leg=(28, 9, 46)
    ),
    pose(lean=2, right_arm=(176, 16, 6), left_arm=(176, 16, 6), right_leg=(52, 5, 62), left_leg=(-34, 5, 22)),
    pose(lean=0, right_arm=(180, 16, 2), left_arm=(180, 16, 2), right_leg=(4, 9, 4), left_leg=(-4, 9, 4)),
    pose(lean=0, right_arm=(178, 17, 2), left_arm=(178, 17, 2), right_leg=(2, 9, 3), left_leg=(2, 9, 3)),
    pose(
        lean=30, right_arm=(70, 14, 60), left_arm=(70, 14, 60), right_leg=(45, 10, 55), left_leg=(45, 10, 55)
    ),
]
KICK = [
    pose(
        lean=10, right_arm=(-30, 12, 60), left_arm=(30, 12, 60), right_leg=(36, 3, 20), left_leg=(-26, 3, 30)
    ),
    pose(
        lean=10, right_arm=(30, 12, 60), left_arm=(-30, 14, 60), right_leg=(-28, 3, 25), left_leg=(40, 3, 20)
    ),
    pose(
        lean=4,
        twist=-25,
        right_arm=(-45, 40, 25),
        left_arm=(80, 60, 20),
        right_leg=(-52, 5, 105),
        left_leg=(16, 3, 14),
    ),
    pose(
        lean=-2,
        twist=-5,
        right_arm=(-30, 45, 25),
        left_arm=(60, 65, 20),
        right_leg=(12, 5, 85),
        left_leg=(4, 3, 18),
    ),
    pose(
        lean=-10,
        twist=15,
        right_arm=(-35, 50, 20),
        left_arm=(30, 60, 20),
        right_leg=(48, 5, 8),
        left_leg=(-4, 3, 10),
    ),
    pose(
        lean=-20,
        twist=30,
        right_arm=(-55, 50, 15),
        left_arm=(70, 40, 15),
        right_leg=(98, 2, 10),
        left_leg=(-6, 3, 3),
    ),
    pose(
        lean=-4,
        twist=15,
        right_arm=(-25, 30, 30),
        left_arm=(40, 30, 30),
        right_leg=(60, 3, 45),
        left_leg=(0, 3, 8),
    ),
    pose(
        lean=6, right_arm=(10, 12, 45), left_arm=(-10, 12, 45), right_leg=(10, 3, 12), left_leg=(-12, 3, 16)
    ),
]
HAMMER = [
    pose(
        lean=-8,
        right_arm=(62 + tilt, -16, 6),
        left_arm=(62 + tilt, -16, 6),
        right_leg=(30, 12, bend),
        left_leg=(24, 12, bend - 6),
        yaw=90 * turn,
        twist=-18,
    )
    for turn, (tilt, bend) in enumerate([(0, 42), (30, 30), (55, 22), (26, 36)] * 2)
]
SERVE = [
    pose(lean=12, right_arm=(50, 12, 55), left_arm=(55, 6, 30), right_leg=(-12, 5, 10), left_leg=(18, 5, 14)),
    pose(
        lean=6,
        twist=15,
        right_arm=(-20, 25, 20),
        left_arm=(95, 6, 8),
        right_leg=(-8, 5, 12),
        left_leg=(20, 5, 18),
    ),
    pose(
        lean=-12,
        twist=45,
        right_arm=(60, 82, 100),
        left_arm=(172, 10, 2),
        right_leg=(22, 6, 52),
        left_leg=(32, 6, 56),
    ),
    pose(
        lean=-10,
        twist=20,
        right_arm=(125, 50, 135),
        left_arm=(140, 14, 20),
        right_leg=(0, 5, 8),
        left_leg=(6, 5, 8),
        up=0.04,
        point=30,
    ),
    pose(
        lean=8,
        twist=-15,
        right_arm=(178, 10, 2),
        left_arm=(40, 20, 75),
        right_leg=(-12, 5, 18),
        left_leg=(4, 5, 6),
        up=0.09,
        point=35,
    ),
    pose(
        lean=42,
        twist=-40,
        right_arm=(55, -18, 15),
        left_arm=(10, 22, 80),
        right_leg=(-38, 5, 62),
        left_leg=(22, 4, 14),
    ),
    pose(
        lean=32,
        twist=-35,
        right_arm=(0, -22, 40),
        left_arm=(-5, 22, 60),
        right_leg=(34, 4, 26),
        left_leg=(-14, 4, 16),
    ),
    pose(lean=16, right_arm=(30, 8, 55), left_arm=(30, 8, 50), right_leg=(10, 5, 16), left_leg=(-4, 5, 14)),
]
DIVING = [
    pose(right_arm=(170, 10, 4), left_arm=(170, 10, 4), right_leg=(0, 3, 2), left_leg=(0, 3, 2)),
    pose(lean=32, right_arm=(-40, 10, 6), left_arm=(-40, 10, 6), right_leg=(48, 4, 68), left_leg=(48, 4, 68)),
    pose(
        lean=6,
        right_arm=(165, 8, 4),
        left_arm=(165, 8, 4),
        right_leg=(-4, 3, 2),
        left_leg=(-4, 3, 2),
        up=0.1,
        pitch=8,
        point=55,
    ),
    pose(
        lean=40,
        head=20,
        right_arm=(115, 8, 20),
        left_arm=(115, 8, 20),
        right_leg=(60, 4, 40),
        left_leg=(60, 4, 40),
        up=0.3,
        pitch=45,
        point=60,
    ),
    pose(
        lean=45,
        head=30,
        right_arm=(65, 10, 40),
        left_arm=(65, 10, 40),
        right_leg=(125, 5, 128),
        left_leg=(125, 5, 128),
        up=0.42,
        pitch=110,
        point=60,
    ),
    pose(
        lean=45,
        head=30,
        right_arm=(65, 10, 40),
        left_arm=(65, 10, 40),
        right_leg=(128, 5, 130),
        left_leg=(128, 5, 130),
        up=0.40,
        pitch=165,
        point=60,
    ),
    pose(
        lean=8,
        right_arm=(160, 8, 6),
        left_arm=(160, 8, 6),
        right_leg=(35, 3, 20),
        left_leg=(35, 3, 20),
        up=0.25,
        pitch=180,
        point=62,
    ),
    pose(
        right_arm=(178, 4, 0),
        left_arm=(178, 4, 0),
        right_leg=(0, 2, 0),
        left_leg=(0, 2, 0),
        up=0.05,
        pitch=184,
        point=65,
    ),
    pose(
        lean=30,
        right_arm=(120, 10, 30),
        left_arm=(120, 10, 30),
        right_leg=(80, 4, 80),
        left_leg=(80, 4, 80),
        pitch=270,
    ),
]
BOWLING = [
    pose(lean=10, right_arm=(42, 4, 85), left_arm=(40, 4, 80), right_leg=(0, 4, 8), left_leg=(4, 4, 10)),
    pose(lean=16, right_arm=(62, 4, 20), left_arm=(50, 14, 30), right_leg=(26, 4, 14), left_leg=(-18, 4, 18)),
    pose(lean=24, right_arm=(20, 6, 2), left_arm=(20, 45, 15), right_leg=(-20, 4, 20), left_leg=(32, 4, 22)),
    pose(
        lean=42, right_arm=(-52, 10, 2), left_arm=(30, 60, 10), right_leg=(42, 4, 40), left_leg=(-22, 4, 30)
    ),
    pose(
        lean=52, right_arm=(-30, 8, 2), left_arm=(20, 65, 10), right_leg=(-28, -8, 30), left_leg=(66, 4, 78)
    ),
    pose(
        lean=50, right_arm=(75, 4, 4), left_arm=(10, 65, 10), right_leg=(-44, -12, 28), left_leg=(70, 4, 86)
    ),
    pose(
        lean=36,
        right_arm=(160, 4, 25),
        left_arm=(-10, 55, 15),
        right_leg=(-40, -10, 30),
        left_leg=(58, 4, 66),
    ),
    pose(lean=16, right_arm=(70, 6, 50), left_arm=(10, 20, 40), right_leg=(-12, 2, 18), left_leg=(22, 4, 26)),
]
ACTIVITIES = (
    "long jump", "javelin", "clean and jerk", "football kick", "hammer throw", "tennis serve", "diving", "bowling",
)  # fmt: skip
PROGRAMS = Programs(
    [LONG_JUMP, JAVELIN, CLEAN_AND_JERK, KICK, HAMMER, SERVE, DIVING, BOWLING],
    turns=[(0, 0), (0, 0), (0, 0), (0, 0), (2, 0), (0, 0), (0, 1), (0, 0)],
)
VIEW = (0, 10, 40, 10, 0, 15, 0, 0)  # usual angle between the camera and the profile, degrees
