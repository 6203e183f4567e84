"""Sets the delay of a microphone in OBS, for users whose microphone is an input of OBS."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QSignalBlocker, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLayout, QLineEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from avatar_app.contracts.errors import UserError
from avatar_app.gui.ports import Option
from avatar_app.gui.widgets.rows import Chooser, Section, hint, set_state, show_text
from avatar_app.gui.widgets.wheel import WheelGuard
from avatar_app.live.voice.obs import DEFAULT_PORT, ObsAddress, ObsInput, list_obs_inputs, set_obs_offset
from avatar_app.settings.schema import PORT_RANGE

T = TypeVar("T")

LOCAL = "127.0.0.1"
WIDTH_PX = 440
MEASURE_MS = 500
MEASURED = "The avatar is {:.0f} ms behind your voice now."
NOT_MEASURED = "Not measured yet. Start the avatar and speak."
PURPOSE = "Delays your microphone in OBS to match the avatar. Use this or Voice in sync, not both."
DOUBLE = "Voice in sync is on ({}). If OBS uses it, leave this delay at 0, or turn Voice in sync off."


class ObsDialog(QDialog):
    """Connection, inputs and delay. The password is never stored.

    Thread: main; each request to OBS runs on its own thread.

    Args:
        delay_ms: measures the delay of the avatar; NaN while unknown.
        parent: the parent widget.
        list_inputs, set_offset: requests to OBS; replaced in tests.
        voice_output: the output of Voice in sync; empty while it is off.
        port: of OBS's WebSocket server, as it was last.

    Signals:
        answered(object): a function that shows OBS's answer, for the main thread.
        offset_set(str, int): OBS now delays an input by this many milliseconds.
        port_found(int): OBS answered on this port.
        voice_unwanted(): the user turned Voice in sync off.
    """

    answered = Signal(object)
    offset_set = Signal(str, int)
    port_found = Signal(int)
    voice_unwanted = Signal()

    def __init__(
        self,
        delay_ms: Callable[[], float],
        parent: QWidget | None = None,
        list_inputs: Callable[[ObsAddress], tuple[ObsInput, ...]] = list_obs_inputs,
        set_offset: Callable[[ObsAddress, str, float], int] = set_obs_offset,
        voice_output: str = "",
        port: int = DEFAULT_PORT,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Delay the microphone in OBS")
        self._list_inputs, self._set_offset = list_inputs, set_offset
        self._thread: threading.Thread | None = None
        self._offsets_ms: dict[str, int] = {}
        self.port = _number(port, *PORT_RANGE)
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setPlaceholderText("WebSocket Server Settings")
        self.password.setToolTip("In OBS: Tools, WebSocket Server Settings, Show Connect Info")
        self.inputs = Chooser("Microphone in OBS", "The input to delay")
        self.inputs.setPlaceholderText("Choose an input")
        self._delay_ms, self._is_edited = delay_ms, False
        self.delay = _number(0, 0, 2000, " ms")
        self.measured = hint()
        self._timer = QTimer(self)
        self._timer.setInterval(MEASURE_MS)
        self.search = QPushButton("Find microphones")
        self.double = hint(DOUBLE.format(voice_output))
        self.voice_off = QPushButton("Turn off Voice in sync")
        self.status = hint()
        self.clear = QPushButton("Reset to 0")
        self.set = QPushButton("Set delay")
        self._lay_out()
        self._show_voice(is_on=bool(voice_output))
        self._show_result("")
        self.measure()
        self._connect()
        WheelGuard(self)
        self.password.setFocus()

    def measure(self) -> None:
        """Show the measured delay; the field follows it until the user edits it."""
        delay_ms = self._delay_ms()
        if math.isnan(delay_ms):
            self.measured.setText(NOT_MEASURED)
            return
        self.measured.setText(MEASURED.format(delay_ms))
        if not self._is_edited and not self.delay.hasFocus():
            with QSignalBlocker(self.delay):
                self.delay.setValue(round(delay_ms))

    def find_inputs(self) -> None:
        """List the audio inputs of OBS."""
        self._request(self._list_inputs, self._show_inputs)

    def apply(self, delay_ms: int) -> None:
        """Set the delay of the chosen input."""
        name = self.inputs.value()
        self._request(
            lambda address: self._set_offset(address, name, float(delay_ms)), lambda ms: self._show_offset(name, ms)
        )

    def done(self, result: int) -> None:
        """Close after OBS has answered or the request has timed out."""
        self._timer.stop()
        if self._thread is not None:
            self._thread.join()
        super().done(result)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Adapt the height to the wrapped texts."""
        super().resizeEvent(event)
        self._fit_height()

    def _request(self, request: Callable[[ObsAddress], T], show: Callable[[T], None]) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        address = ObsAddress(LOCAL, self.port.value(), self.password.text())
        self._show_result("Connecting to OBS …")

        def run() -> None:
            try:
                found = request(address)
            except UserError as error:
                text = str(error)
                self.answered.emit(lambda: self._show_result(text, is_bad=True))
            else:
                self.answered.emit(lambda: self.port_found.emit(address.port))
                self.answered.emit(lambda: show(found))

        self._thread = threading.Thread(target=run, name="obs", daemon=True)
        self._thread.start()

    def _show_inputs(self, found: tuple[ObsInput, ...]) -> None:
        microphones = [each for each in found if each.is_microphone]
        self._offsets_ms = {each.name: each.offset_ms for each in microphones or found}
        self._list_offsets()
        if not microphones:
            self.inputs.setCurrentIndex(-1)
        self._show_choice()
        if found and not microphones:
            self._show_result("OBS has no microphone input. Choose the input that carries your voice.")

    def _show_choice(self) -> None:
        """Replace the result of another input."""
        for button in (self.set, self.clear):
            button.setEnabled(bool(self.inputs.value()))
        none = "OBS has no audio input. Add your microphone in OBS, then search again."
        self._show_result("Choose your microphone." if self._offsets_ms else none)

    def _show_offset(self, name: str, offset_ms: int) -> None:
        self._offsets_ms[name] = offset_ms
        self._list_offsets()
        self._show_result(f"OBS delays {name} by {offset_ms} ms." if offset_ms else f"OBS no longer delays {name}.")
        self.offset_set.emit(name, offset_ms)

    def _list_offsets(self) -> None:
        self.inputs.set_options([Option(name, f"{name}: {ms} ms") for name, ms in self._offsets_ms.items()])

    def _show_voice(self, *, is_on: bool) -> None:
        self.double.setVisible(is_on)
        self.voice_off.setVisible(is_on)

    def _turn_voice_off(self) -> None:
        self.voice_unwanted.emit()
        self._show_voice(is_on=False)
        self._fit_height()

    def _show_result(self, text: str, *, is_bad: bool = False) -> None:
        show_text(self.status, text, "bad" if is_bad else "good")
        self.status.setVisible(bool(text))
        self._fit_height()

    def _fit_height(self) -> None:
        """Make room for wrapped texts, which Qt does not do for an open window."""
        layout = self.layout()
        if layout is not None:
            self.setMinimumHeight(layout.totalHeightForWidth(self.width()))

    def _connect(self) -> None:
        self.search.clicked.connect(self.find_inputs)
        self.set.clicked.connect(lambda: self.apply(self.delay.value()))
        self.clear.clicked.connect(lambda: self.apply(0))
        self.inputs.chosen.connect(self._show_choice)
        self.voice_off.clicked.connect(self._turn_voice_off)
        self.answered.connect(lambda show: show())
        self.delay.valueChanged.connect(self._keep_edited_delay)
        self._timer.timeout.connect(self.measure)
        self._timer.start()

    def _keep_edited_delay(self) -> None:
        self._is_edited = True

    def _lay_out(self) -> None:
        for button in (self.search, self.clear, self.voice_off):
            button.setProperty("role", "plain")
        self.set.setProperty("role", "primary")
        set_state(self.double, "warning")
        for button in (self.set, self.clear):
            button.setEnabled(False)
        self.setMinimumWidth(WIDTH_PX)
        delay = Section("&Delay", self.delay)
        delay.add(self.measured)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 24)
        column.setSpacing(16)
        column.addWidget(hint(PURPOSE))
        column.addLayout(_row((Section("&Port", self.port), 0), (Section("Pass&word in OBS", self.password), 1)))
        column.addWidget(self.search)
        column.addWidget(Section("&Microphone in OBS", self.inputs))
        column.addWidget(delay)
        column.addWidget(self.double)
        column.addWidget(self.voice_off)
        column.addWidget(self.status)
        column.addStretch(1)
        column.addLayout(_row((self.clear, 1), (self.set, 1)))


def _number(value: int, low: int, high: int, unit: str = "") -> QSpinBox:
    """A field for an integer."""
    field = QSpinBox()
    field.setRange(low, high)
    field.setSuffix(unit)
    field.setValue(value)
    # The padding of the style sheet does not reach the line edit inside.
    field.lineEdit().setTextMargins(11, 0, 0, 0)
    return field


def _row(*parts: tuple[QWidget, int]) -> QLayout:
    """Widgets side by side, each with its share of the remaining width."""
    row = QHBoxLayout()
    row.setSpacing(12)
    for widget, share in parts:
        row.addWidget(widget, share)
    return row
