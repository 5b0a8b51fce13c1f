"""Small real video files, written here, whose frame numbers can be read from their pixels."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

BITS, BLOCK = 8, 16
WIDTH, HEIGHT = BITS * BLOCK, 2 * BLOCK
# For titles that are not UTF-8; PyAV 19 takes them as they are.
LENIENT = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}


def number_frame(number: int) -> np.ndarray:
    """RGB (32, 128, 3): the number in binary, black and white blocks; the lower half upside down in
    brightness."""
    bits = np.array([(number >> bit) & 1 for bit in range(BITS)], dtype=np.uint8)
    row = np.repeat(bits, BLOCK) * 200 + 25
    return np.repeat(np.stack([row, 250 - row]).repeat(BLOCK, axis=0)[..., None], 3, axis=2)


def read_numbers(frames: torch.Tensor) -> list[int]:
    """The numbers in frames uint8 (N, 3, 32, 128)."""
    blocks = frames[:, :, :BLOCK].float().mean((1, 2)).unflatten(1, (BITS, BLOCK)).mean(2) > 125
    return (blocks * 2 ** torch.arange(BITS)).sum(1).tolist()


def h264_or_mpeg4() -> str:
    try:
        av.codec.Codec("libx264", "w")
    except av.codec.codec.UnknownCodecError:
        return "mpeg4"
    return "libx264"


def write_video(
    path: Path,
    frames: int = 60,
    *,
    codec: str | None = None,
    gop: int = 12,
    b_frames: int = 2,
    fps: int = 25,
    times: list[int] | None = None,
    picture=number_frame,
    metadata: dict | None = None,
) -> Path:
    """Write ``frames`` numbered frames; ``times`` are presentation times in frame periods (default 0, 1, 2,
    …)."""
    codec = codec or h264_or_mpeg4()
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.gop_size, stream.max_b_frames = gop, b_frames
        stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
        if codec == "libx264":
            stream.options = {
                "preset": "veryfast",
                "bf": str(b_frames),
                "b-adapt": "0",
                "sc_threshold": "0",
                "threads": "1",
            }
        for number, time in enumerate(times or range(frames)):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decode_all(path: Path) -> torch.Tensor:
    """Every frame uint8 (N, 3, H, W), decoded the plain way: the reference."""
    with av.open(str(path), **LENIENT) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def write_with_dropped_frames(path: Path, frames: int = 30, dropped: tuple[int, ...] = (4, 5, 17)) -> Path:
    """An AVI as old encoders wrote it: packets at the places ``dropped`` say "nothing new"."""
    # MPEG-4 part 2, 6.2.5: start code, P (01), modulo 0, marker, 5 bits of time, marker, not coded (0).
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.gop_size = WIDTH, HEIGHT, 12
        stream.time_base = stream.codec_context.time_base = Fraction(1, 25)
        packets = []
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(number_frame(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for place in dropped:
            bits = f"0101{place % 25:05b}10" + "01111"
            packets.insert(place, av.Packet(b"\x00\x00\x01\xb6" + int(bits, 2).to_bytes(2, "big")))
        for time, packet in enumerate(packets):
            packet.stream, packet.pts, packet.dts = stream, time, time
            packet.time_base = Fraction(1, 25)
            container.mux(packet)
    return path
