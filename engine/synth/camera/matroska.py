"""Matroska files of pictures, each with its own timestamp to the microsecond.

OpenCV's writer gives every frame the same duration, so true timestamps need a writer of our own. It
implements the part of RFC 9559 that one video track of key frames needs.
"""

import struct
from collections.abc import Iterable
from typing import IO

# A segment of unknown size; players read such files from their beginning.
_OPEN = b"\x01\xff\xff\xff\xff\xff\xff\xff"
_TICK_NS = 1_000

JPEG = "V_MJPEG"
PNG = "MPNG"  # not a Matroska codec: it is the FourCC of a Windows bitmap header
RAW = "V_UNCOMPRESSED"


def write_matroska(
    file: IO[bytes],
    pictures: Iterable[tuple[int, bytes]],
    codec: str,
    size: tuple[int, int],
    fps: float,
    seconds: float,
) -> None:
    """Write (t_ns, encoded picture) pairs, times rising; ``file`` need not be seekable.

    ``codec``: `JPEG`, `PNG` or `RAW` (BGR, rows from the top). ``fps`` and ``seconds``: values of
    the header; the pictures' times need not agree with them.
    """
    header = (
        _number(0x4286, 1)
        + _number(0x42F7, 1)
        + _number(0x42F2, 4)
        + _number(0x42F3, 8)
        + _element(0x4282, b"matroska")
        + _number(0x4287, 4)
        + _number(0x4285, 2)
    )
    info = (
        _number(0x2AD7B1, _TICK_NS)
        + _element(0x4489, struct.pack(">d", seconds * 1e9 / _TICK_NS))
        + _element(0x4D80, b"htnet")
        + _element(0x5741, b"htnet")
    )
    video = _number(0xB0, size[0]) + _number(0xBA, size[1])
    private = b""
    if codec == PNG:
        private = struct.pack("<IiiHH4sIiiII", 40, *size, 1, 24, PNG.encode(), 0, 0, 0, 0, 0)
    elif codec == RAW:
        video += _element(0x2EB524, b"BGR\x18")
    track = (
        _number(0xD7, 1)
        + _number(0x73C5, 1)
        + _number(0x83, 1)
        + _number(0x9C, 0)
        + _number(0x23E383, round(1e9 / fps))
        + _element(0x86, b"V_MS/VFW/FOURCC" if codec == PNG else codec.encode())
        + (_element(0x63A2, private) if private else b"")
        + _element(0xE0, video)
    )
    file.write(_element(0x1A45DFA3, header))
    file.write(_id(0x18538067) + _OPEN)
    file.write(_element(0x1549A966, info) + _element(0x1654AE6B, _element(0xAE, track)))
    for t_ns, picture in pictures:
        # One cluster per picture: a block's own time has 16 bits, 33 ms at this tick.
        block = _element(0xA3, b"\x81\x00\x00\x80" + picture)
        file.write(_element(0x1F43B675, _number(0xE7, t_ns // _TICK_NS) + block))


def _id(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _element(number: int, content: bytes) -> bytes:
    return _id(number) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _number(number: int, value: int) -> bytes:
    return _element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))
