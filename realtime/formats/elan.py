"""ELAN's annotation format, EAF 3.0."""

import mimetypes
from datetime import datetime
from xml.etree import ElementTree as xml

from htnet.realtime.formats.observation import Observation, Row
from htnet.realtime.formats.tiers import Tier, one_line, tiers

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_EVENT, _DETAIL = "event", "detail"
_REFERS = "Symbolic_Association"
_REFERS_WORDS = "1-1 association with a parent annotation"


def eaf(rows: list[Row], observation: Observation, end_ms: float = 0.0) -> bytes:
    """Return an EAF file: an alignable tier for each tier, the events' value as annotations.

    Each has a tier "NAME detail" of symbolically associated annotations: muscle, side, extent,
    score. The video is linked by its path, and as a file beside the EAF file.
    """
    root = xml.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "htnet",
            "DATE": observation.started or datetime.now().astimezone().isoformat("T", "seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    told = tiers(rows)
    spans = sum(len(tier.spans) for tier in told)
    _add_header(root, observation, last_annotation=2 * spans)
    slots = xml.SubElement(root, "TIME_ORDER")
    number = 0
    for tier in told:
        number = _add_tier(root, slots, tier, one_line(observation.participant), number)
    _add_types(root)
    xml.indent(root)
    written: bytes = xml.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"


def _add_header(root: xml.Element, observation: Observation, last_annotation: int) -> None:
    header = xml.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    media = observation.media
    if media is not None:
        kind = mimetypes.guess_type(media.name)[0] or "video/*"
        # ELAN neither writes nor reads escapes such as %20.
        path, name = _as_text(media.absolute().as_posix()), _as_text(media.name)
        xml.SubElement(
            header,
            "MEDIA_DESCRIPTOR",
            MEDIA_URL=f"file:///{path.lstrip('/')}",
            MIME_TYPE=kind,
            RELATIVE_MEDIA_URL=f"./{name}",
        )
    for name, value in (
        ("lastUsedAnnotationId", str(last_annotation)),
        ("session", one_line(observation.name)),
    ):
        xml.SubElement(header, "PROPERTY", NAME=name).text = value


def _as_text(name: str) -> str:
    """Return a file's name without the bytes that are not UTF-8."""
    return name.encode("utf-8", "replace").decode()


def _add_tier(
    root: xml.Element, slots: xml.Element, tier: Tier, participant: str, number: int
) -> int:
    """Add a tier and its details after ``number`` annotations; return their new number."""
    own = xml.SubElement(root, "TIER", TIER_ID=tier.name, LINGUISTIC_TYPE_REF=_EVENT)
    detail = xml.SubElement(
        root,
        "TIER",
        TIER_ID=f"{tier.name} detail",
        LINGUISTIC_TYPE_REF=_DETAIL,
        PARENT_REF=tier.name,
    )
    if participant:
        for each in (own, detail):
            each.set("PARTICIPANT", participant)
    for span in tier.spans:
        first = len(slots) + 1
        for place, ms in enumerate((span.start_ms, span.end_ms)):
            xml.SubElement(
                slots, "TIME_SLOT", TIME_SLOT_ID=f"ts{first + place}", TIME_VALUE=str(ms)
            )
        aligned = xml.SubElement(
            xml.SubElement(own, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            ANNOTATION_ID=f"a{number + 1}",
            TIME_SLOT_REF1=f"ts{first}",
            TIME_SLOT_REF2=f"ts{first + 1}",
        )
        xml.SubElement(aligned, "ANNOTATION_VALUE").text = span.value
        referring = xml.SubElement(
            xml.SubElement(detail, "ANNOTATION"),
            "REF_ANNOTATION",
            ANNOTATION_ID=f"a{number + 2}",
            ANNOTATION_REF=f"a{number + 1}",
        )
        xml.SubElement(referring, "ANNOTATION_VALUE").text = span.detail
        number += 2
    return number


def _add_types(root: xml.Element) -> None:
    for name, alignable in ((_EVENT, "true"), (_DETAIL, "false")):
        made = xml.SubElement(
            root,
            "LINGUISTIC_TYPE",
            LINGUISTIC_TYPE_ID=name,
            TIME_ALIGNABLE=alignable,
            GRAPHIC_REFERENCES="false",
        )
        if name == _DETAIL:
            made.set("CONSTRAINTS", _REFERS)
    xml.SubElement(root, "CONSTRAINT", STEREOTYPE=_REFERS, DESCRIPTION=_REFERS_WORDS)
