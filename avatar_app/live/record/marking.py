"""Metadata that marks recordings and snapshots as AI-generated."""

from __future__ import annotations

import struct
import zlib

from avatar_app.live.record.video_file import PROVENANCE

# IPTC NewsCodes, Digital Source Type: media created by a trained model.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MARKING = f"{PROVENANCE} DigitalSourceType: {SOURCE_TYPE}"
PICTURE_MARKING = "AI-generated avatar: the face in this picture is synthetic and was made by avatar-app."
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/></rdf:RDF></x:xmpmeta>'
)
# Signature and header chunk of a PNG (ISO/IEC 15948, 5.2 and 11.2.2); text chunks may follow.
HEADER_BYTES = 33


def mark_png(png: bytes) -> bytes:
    """Add the marking to a PNG, as text and as XMP."""
    texts = (
        # `tEXt` (11.3.4.3), which every reader knows, then `iTXt` (11.3.4.5) for XMP.
        _chunk(b"tEXt", b"Description\0" + PICTURE_MARKING.encode("latin-1")),
        _chunk(b"tEXt", b"Software\0avatar-app"),
        _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode()),
    )
    return png[:HEADER_BYTES] + b"".join(texts) + png[HEADER_BYTES:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Encode a chunk of a PNG (5.3)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
