"""Places the statistics and the notices around the picture."""

from __future__ import annotations

from PySide6.QtCore import QPoint

from avatar_app.gui.stage.avatar_view import MARGIN_PX, AvatarView
from avatar_app.gui.stage.hud import Hud, Room
from avatar_app.gui.stage.notice_cards import MAX_WIDTH_PX, NoticeArea

EDGE_PX = 16
# Notices leave this height to the picture.
MIN_PICTURE_PX = 280
# On a smaller picture the statistics would hide the face.
SMALL_CARD_PX = 460


class Overlays:
    """Statistics beside the picture, or short and over it; notices below it. Thread: main.

    Args:
        view: the parent of both.
        hud: the statistics.
        notices: the notices.
    """

    def __init__(self, view: AvatarView, hud: Hud, notices: NoticeArea) -> None:
        self._view, self._hud, self._notices = view, hud, notices
        notices.setParent(view)

    def place(self, *, has_hud: bool) -> None:
        """Place both for the size of the view."""
        view, hud = self._view, self._hud
        width_px = min(MAX_WIDTH_PX, view.width() - 2 * EDGE_PX)
        height_px = self._notices.fit(width_px, view.height() - MIN_PICTURE_PX)
        room_px = MARGIN_PX + hud.full_width_px + EDGE_PX if has_hud else 0
        has_room = view.leave_room(room_px, height_px + EDGE_PX if height_px else 0)
        card = view.card()
        hud.set_room(Room.BESIDE if has_room else Room.OVER if card.width() > SMALL_CARD_PX else Room.LITTLE)
        hud.move(QPoint(MARGIN_PX, card.top()) if has_room else card.topLeft() + QPoint(EDGE_PX, EDGE_PX))
        left_px = min(card.center().x() - width_px // 2, view.width() - width_px - EDGE_PX)
        top_px = view.height() - height_px - EDGE_PX
        self._notices.setGeometry(max(EDGE_PX, left_px), top_px, width_px, height_px)
        self._notices.raise_()
