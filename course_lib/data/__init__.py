"""Where pixels come from: `load` any dataset by name or path, as a `VideoSet`."""

from importlib import import_module

_HOME = {
    "load": "catalogue",
    "fetch": "catalogue",
    "Catalogue": "catalogue",
    "decode": "video",
    "probe": "video",
    "VideoError": "video",
    "FetchError": "fetching",
    "open_folder": "folders",
    "VideoSet": "videos",
    "Skeleton": "videos",
    "ClipSampler": "videos",
    "FrameSampler": "videos",
    "LazyClipSampler": "lazy",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    # Only what is used is imported: decoding needs PyAV, generated worlds do not.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
