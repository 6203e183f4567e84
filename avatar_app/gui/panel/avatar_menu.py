"""What can be done with an avatar of the user: rename, export, import, improve, delete."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QPushButton

from avatar_app.contracts.errors import UserError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.ports import Dialogs
from avatar_app.live.library import delete_avatar, export_avatar, import_avatar, list_own, rename_avatar
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

KEY = "avatar-menu"
SUFFIX = ".avatar"


class AvatarMenu(QPushButton):
    """A button with a menu for the chosen avatar. Thread: main; what takes long runs on a thread of its own.

    Args:
        paths: the user's folders.
        dialogs: asks the user.
        notices: reports results and failures.

    Signals:
        list_changed(): avatars were added, renamed or removed.
        used(str): the avatar of this id is to be shown.
        improve_asked(str): the avatar of this id is to learn longer.
        answered(object): a function that shows the result of a thread, for the main thread.
    """

    list_changed = Signal()
    used = Signal(str)
    improve_asked = Signal(str)
    answered = Signal(object)

    def __init__(self, paths: ProfilePaths, dialogs: Dialogs, notices: NoticeBoard) -> None:
        super().__init__("More")
        self.setProperty("role", "plain")
        self.setAccessibleName("More for this avatar")
        self.setAccessibleDescription("Rename, export, import, improve or delete an avatar of your own")
        self._paths, self._dialogs, self._notices = paths, dialogs, notices
        self._id = self._title = ""
        self._thread: threading.Thread | None = None
        self._menu = QMenu(self)
        self.rename_action = self._menu.addAction("Rename …", self.rename)
        self.improve_action = self._menu.addAction("Improve …", lambda: self.improve_asked.emit(self._id))
        self.export_action = self._menu.addAction("Export …", self.export)
        self._menu.addAction("Import …", self.import_)
        self._menu.addSeparator()
        self.delete_action = self._menu.addAction("Delete …", self.delete)
        self.setMenu(self._menu)
        self.answered.connect(lambda show: show())

    def show_avatar(self, avatar_id: str, improvable: frozenset[str]) -> None:
        """Offer what can be done with an avatar; those of the program can only be shown."""
        titles = {own.id: own.title for own in list_own(self._paths)}
        self._id, self._title = avatar_id, titles.get(avatar_id, "")
        for action in (self.rename_action, self.export_action, self.delete_action):
            action.setEnabled(avatar_id in titles)
        self.improve_action.setEnabled(avatar_id in titles and avatar_id in improvable)

    def rename(self) -> None:
        """Change the display name to one that the user enters."""
        title = self._dialogs.ask_title(self._title)
        if title is None:
            return
        try:
            rename_avatar(self._id, title, self._paths)
        except UserError as error:
            self._notices.error(KEY, error)
        else:
            self.list_changed.emit()

    def export(self) -> None:
        """Write avatar and model as one file."""
        file = self._dialogs.ask_avatar_to_write(f"{self._id}{SUFFIX}")
        if file is not None:
            avatar_id, title = self._id, self._title
            self._run(
                lambda: str(export_avatar(avatar_id, Path(file), self._paths)),
                lambda written: self._notices.info(KEY, f"The avatar {title} was exported to {written}."),
            )

    def import_(self) -> None:
        """Add the avatar of an exported file, and show it."""
        file = self._dialogs.ask_avatar()
        if file is not None:
            self._run(lambda: import_avatar(Path(file), self._paths), self._show_imported)

    def delete(self) -> None:
        """Delete avatar, model and recording, after a question."""
        avatar_id, title = self._id, self._title
        if not self._dialogs.ask_delete(title):
            return
        # First, so that nothing holds its files.
        self.used.emit(Settings().avatar)
        self._run(lambda: self._deleted(avatar_id), lambda _: self._show_deleted(title))

    def wait(self) -> None:
        """Wait for what runs."""
        if self._thread is not None:
            self._thread.join()

    def _deleted(self, avatar_id: str) -> str:
        delete_avatar(avatar_id, self._paths)
        return avatar_id

    def _show_imported(self, avatar_id: str) -> None:
        self.list_changed.emit()
        self.used.emit(avatar_id)
        self._notices.info(KEY, "The avatar was imported and is chosen.")

    def _show_deleted(self, title: str) -> None:
        self.list_changed.emit()
        self._notices.info(KEY, f"The avatar {title} and its recording were deleted.")

    def _run(self, work: Callable[[], str], show: Callable[[str], None]) -> None:
        """Work on a thread, then show its result here, or its error as a notice."""
        if self._thread is not None and self._thread.is_alive():
            self._notices.info(KEY, "Another avatar file is being written or read. Try again in a moment.")
            return
        self._notices.clear(KEY)

        def run() -> None:
            try:
                result = work()
            except UserError as error:
                self._notices.error(KEY, error)
                self.answered.emit(self.list_changed.emit)
            else:
                self.answered.emit(lambda: show(result))

        self._thread = threading.Thread(target=run, name="avatar-file", daemon=True)
        self._thread.start()
