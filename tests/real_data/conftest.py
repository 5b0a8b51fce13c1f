"""Where the real recordings are: the folders of COURSE_DATA, else ../shared/data beside the checkout."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "unit"))  # sample_videos


@pytest.fixture(scope="session")
def recording():
    """``recording("mouse_reaching/frames")``: its path; the test is skipped where it is not."""
    from course_lib.data.catalogue import data_folders

    places = [*data_folders(), ROOT.parent / "shared" / "data"]

    def find(name: str) -> Path:
        for place in places:
            if (place / name).exists():
                return place / name
        pytest.skip(f"{name} is neither in COURSE_DATA nor in ../shared/data")

    return find


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
