"""The sound of a file, copied into another beside its pictures."""

import contextlib
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from re import fullmatch
from typing import Self

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

_NS = 1_000_000_000
_HELD = {
    "mp4": "aac|mp3|ac3|eac3|alac|flac",
    "mov": "aac|mp3|ac3|alac|pcm_[su].*le",
    "matroska": "aac|mp3|ac3|eac3|flac|opus|vorbis|pcm_[su].*le",
}
"""Codecs that the players of a format take, as a pattern of FFmpeg's names."""
_AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class SoundTrack:
    """The first sound of an open file, as a stream of ``output``.

    Packets are copied with their own times. A codec outside `_HELD` becomes AAC.
    ``start_ns``: the source's time that is 0 in ``output``, at first the beginning of its earliest
    stream. Sound before it is left out.
    """

    def __init__(self, source: InputContainer, output: OutputContainer) -> None:
        self._source = source
        self._output = output
        self._stream = source.streams.audio[0]
        self.start_ns = round((source.start_time or 0) * _NS / av.time_base)
        if fullmatch(_HELD[output.format.name], self._stream.codec_context.codec.canonical_name):
            self._target = output.add_stream_from_template(self._stream)
            self._packets = self._read()
        else:
            rate = self._stream.rate if self._stream.rate in _AAC_RATES else 48_000
            self._target = output.add_stream("aac", rate=rate)
            self._target.layout = "mono" if self._stream.channels == 1 else "stereo"
            self._packets = self._transcoded()
        self._held: Packet[AudioStream] | None = None

    @classmethod
    def of(cls, path: Path | None, output: OutputContainer) -> Self | None:
        """Return the sound of a file; None where it has none, as a folder of pictures."""
        if path is None:
            return None
        try:
            source = av.open(str(path.absolute()))
        except av.FFmpegError:
            return None
        if source.streams.audio:
            return cls(source, output)
        source.close()
        return None

    def copy_until(self, t_ns: int) -> None:
        """Write the packets that begin before ``t_ns`` of ``output``'s time."""
        if self._held is None:
            self._held = next(self._packets, None)
        while self._held is not None and self._begin_ns(self._held) < t_ns:
            if self._begin_ns(self._held) >= 0:
                shift = round(Fraction(self.start_ns, _NS) / self._held.time_base)
                assert self._held.pts is not None and self._held.dts is not None
                self._held.pts -= shift
                self._held.dts -= shift
                self._held.stream = self._target
                self._output.mux(self._held)
            self._held = next(self._packets, None)

    def close(self) -> None:
        """Close the source."""
        self._packets.close()
        self._source.close()

    def _begin_ns(self, packet: "Packet[AudioStream]") -> int:
        assert packet.pts is not None
        return round(packet.pts * packet.time_base * _NS) - self.start_ns

    def _read(self) -> Generator["Packet[AudioStream]"]:
        """Yield the source's packets; a damaged one is the last."""
        with contextlib.suppress(av.FFmpegError):
            for packet in self._source.demux(self._stream):
                if packet.pts is not None and packet.dts is not None:
                    yield packet

    def _transcoded(self) -> Generator["Packet[AudioStream]"]:
        with contextlib.suppress(av.FFmpegError):
            for frame in self._source.decode(self._stream):
                yield from self._target.encode(frame)
        yield from self._target.encode(None)
