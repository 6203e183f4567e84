"""Faults of the Qt binding that would end the program."""

import sys

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is immortal")
def test_none_when_painted_for_long_then_not_used_up(qapp):
    picture = QImage(8, 8, QImage.Format.Format_ARGB32)
    painter = QPainter(picture)
    before = sys.getrefcount(None)
    for _ in range(1000):
        painter.setPen(Qt.PenStyle.NoPen)
    after = sys.getrefcount(None)
    painter.end()
    assert abs(after - before) < 100
