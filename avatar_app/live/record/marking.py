"""What recordings and snapshots say of themselves: that the face in them is synthetic."""

from __future__ import annotations

import struct
import zlib

from avatar_app.live.record.video_file import PROVENANCE

# The word of IPTC for pictures that a trained network made (NewsCodes, Digital Source Type).
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MARKING = f"{PROVENANCE} DigitalSourceType: {SOURCE_TYPE}"
PICTURE_MARKING = "AI-generated avatar: the face in this picture is synthetic and was made by avatar-app."
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/></rdf:RDF></x:xmpmeta>'
)
# Signature and first chunk of a PNG (ISO/IEC 15948, 5.2 and 11.2.2), behind which texts may stand.
HEADER_BYTES = 33


def mark_png(png: bytes) -> bytes:
    """A PNG with the marking in it, as a text and as XMP."""
    texts = (
        # Plain chunks, which every reader knows (11.3.4.3), then an international one (11.3.4.5) for XMP.
        _chunk(b"tEXt", b"Description\0" + PICTURE_MARKING.encode("latin-1")),
        _chunk(b"tEXt", b"Software\0avatar-app"),
        _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode()),
    )
    return png[:HEADER_BYTES] + b"".join(texts) + png[HEADER_BYTES:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG (5.3)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
