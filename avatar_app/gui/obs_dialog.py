"""Asks OBS to delay the raw microphone until the picture is there, for those who keep their microphone in OBS."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QFormLayout, QLabel, QLineEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from avatar_app.contracts.errors import UserError
from avatar_app.gui.ports import Option
from avatar_app.gui.rows import Chooser, hint, set_state
from avatar_app.live.voice.obs import DEFAULT_PORT, ObsAddress, ObsInput, list_obs_inputs, set_obs_offset

LOCAL = "127.0.0.1"


class ObsDialog(QDialog):
    """Address and password, the inputs of OBS, and one button. The password is asked each time and kept nowhere.

    Thread: main; OBS is asked by a thread that ends with the answer.

    Args:
        delay_ms: how late the picture is behind the microphone now; NaN while nothing runs.
        list_inputs, set_offset: ask OBS; a test's seam.

    Signals:
        answered(object): a function of no arguments that shows OBS's answer.
    """

    answered = Signal(object)

    def __init__(
        self,
        delay_ms: float,
        parent: QWidget | None = None,
        list_inputs: Callable[[ObsAddress], tuple[ObsInput, ...]] = list_obs_inputs,
        set_offset: Callable[[ObsAddress, str, float], int] = set_obs_offset,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Delay the microphone in OBS")
        self._list_inputs, self._set_offset = list_inputs, set_offset
        self._asking: threading.Thread | None = None
        self.port = QSpinBox()
        self.port.setRange(1, 65_535)
        self.port.setValue(DEFAULT_PORT)
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setPlaceholderText("In OBS: Tools, WebSocket Server Settings")
        self.inputs = Chooser("Microphone in OBS", "Which input of OBS is delayed")
        self.delay = QSpinBox()
        self.delay.setRange(0, 2000)
        self.delay.setSuffix(" ms")
        self.delay.setValue(round(delay_ms) if delay_ms == delay_ms else 0)
        self.search = QPushButton("Find microphones")
        self.set = QPushButton("Set the delay")
        self.words = hint(f"Your picture is {delay_ms:.0f} ms behind your voice." if delay_ms == delay_ms else "")
        self._lay_out()
        self.search.clicked.connect(self.look)
        self.set.clicked.connect(self.apply)
        self.answered.connect(lambda show: show())

    def look(self) -> None:
        """List the inputs of OBS that have sound."""
        self._ask(lambda address: self._list_inputs(address), self._show_inputs)

    def apply(self) -> None:
        """Set the delay of the chosen input."""
        name, delay_ms = self.inputs.value(), float(self.delay.value())
        self._ask(
            lambda address: self._set_offset(address, name, delay_ms),
            lambda ms: self._say(f"OBS delays {name} by {ms} ms."),
        )

    def done(self, result: int) -> None:
        """Close once OBS has answered or its time is up."""
        if self._asking is not None:
            self._asking.join()
        super().done(result)

    def _ask(self, question: Callable[[ObsAddress], object], show: Callable[..., None]) -> None:
        if self._asking is not None and self._asking.is_alive():
            return
        address = ObsAddress(LOCAL, self.port.value(), self.password.text())
        self._say("Asking OBS …")

        def ask() -> None:
            try:
                found = question(address)
            except UserError as error:
                text = str(error)
                self.answered.emit(lambda: self._say(text, is_bad=True))
            else:
                self.answered.emit(lambda: show(found))

        self._asking = threading.Thread(target=ask, name="obs", daemon=True)
        self._asking.start()

    def _show_inputs(self, found: tuple[ObsInput, ...]) -> None:
        self.inputs.set_options([Option(each.name, each.name, f"{each.offset_ms} ms now") for each in found])
        self.set.setEnabled(bool(found))
        self._say("Choose your microphone." if found else "OBS has no input with sound yet: add your microphone there.")

    def _say(self, text: str, *, is_bad: bool = False) -> None:
        self.words.setText(text)
        set_state(self.words, "bad" if is_bad else "good")

    def _lay_out(self) -> None:
        for button in (self.search, self.set):
            button.setProperty("role", "plain")
        self.set.setEnabled(False)
        self.setMinimumWidth(420)
        form = QFormLayout()
        rows: tuple[tuple[str, QWidget], ...] = (
            ("Port", self.port),
            ("Password", self.password),
            ("", self.search),
            ("Microphone", self.inputs),
            ("Delay", self.delay),
        )
        for text, widget in rows:
            form.addRow(QLabel(text), widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.addLayout(form)
        column.addWidget(self.words)
        column.addWidget(self.set)
