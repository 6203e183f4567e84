"""Asks OBS to delay the raw microphone until the picture is there, for those who keep their microphone in OBS."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLayout, QLineEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from avatar_app.contracts.errors import UserError
from avatar_app.gui.ports import Option
from avatar_app.gui.widgets.rows import Chooser, Section, hint, set_state
from avatar_app.gui.widgets.wheel import WheelGuard
from avatar_app.live.voice.obs import DEFAULT_PORT, ObsAddress, ObsInput, list_obs_inputs, set_obs_offset
from avatar_app.settings.schema import PORT_RANGE

LOCAL = "127.0.0.1"
WIDTH_PX = 440
MEASURE_MS = 500
MEASURED = "Measured now: a voice {:.0f} ms late meets its picture."
NOT_MEASURED = "Measured as soon as the avatar speaks."
PURPOSE = "OBS plays your raw microphone later, until its picture is there. Use this or Voice in sync, not both."
DOUBLE = (
    "Voice in sync is on, at {}. If that is what OBS hears, leave OBS at 0, or turn Voice in sync off: "
    "with both, your voice comes twice as late."
)


class ObsDialog(QDialog):
    """Address and password, the inputs of OBS, and their delay. The password is asked each time and kept nowhere.

    Thread: main; OBS is asked by a thread that ends with the answer.

    Args:
        delay_ms: tells how late a voice must be to meet its picture now; NaN while nothing runs.
        list_inputs, set_offset: ask OBS; a test's seam.
        voice_output: where the voice in sync goes; empty while it is off.
        port: where OBS answered the last time.

    Signals:
        answered(object): a function of no arguments that shows OBS's answer.
        offset_set(str, int): OBS delays an input by so many milliseconds now.
        port_found(int): OBS answers there.
        voice_unwanted(): the user wants the voice in sync to be off.
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
        self._asking: threading.Thread | None = None
        self._offsets_ms: dict[str, int] = {}
        self.port = _number(port, *PORT_RANGE)
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setPlaceholderText("Tools, WebSocket Server Settings")
        self.inputs = Chooser("Microphone in OBS", "Which input of OBS is delayed")
        self.inputs.setPlaceholderText("Choose one")
        self._delay_ms, self._is_own_delay = delay_ms, False
        self.delay = _number(0, 0, 2000, " ms")
        self.measured = hint()
        self._beats = QTimer(self)
        self._beats.setInterval(MEASURE_MS)
        self.search = QPushButton("Find microphones")
        self.double = hint(DOUBLE.format(voice_output))
        self.voice_off = QPushButton("Turn Voice in sync off")
        self.words = hint()
        self.clear = QPushButton("Set back to 0")
        self.set = QPushButton("Set the delay")
        self._lay_out()
        self._show_voice(is_on=bool(voice_output))
        self._say("")
        self.measure()
        self._connect()
        WheelGuard(self)
        self.password.setFocus()

    def measure(self) -> None:
        """Show what the delay is now; the field follows it until the user writes a number of their own."""
        delay_ms = self._delay_ms()
        if math.isnan(delay_ms):
            self.measured.setText(NOT_MEASURED)
            return
        self.measured.setText(MEASURED.format(delay_ms))
        if not self._is_own_delay and not self.delay.hasFocus():
            with QSignalBlocker(self.delay):
                self.delay.setValue(round(delay_ms))

    def look(self) -> None:
        """List the inputs of OBS that have sound."""
        self._ask(lambda address: self._list_inputs(address), self._show_inputs)

    def apply(self, delay_ms: int) -> None:
        """Set the delay of the chosen input."""
        name = self.inputs.value()
        self._ask(
            lambda address: self._set_offset(address, name, float(delay_ms)), lambda ms: self._show_offset(name, ms)
        )

    def done(self, result: int) -> None:
        """Close once OBS has answered or its time is up."""
        self._beats.stop()
        if self._asking is not None:
            self._asking.join()
        super().done(result)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Texts wrap differently now."""
        super().resizeEvent(event)
        self._make_room()

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
                self.answered.emit(lambda: self.port_found.emit(address.port))
                self.answered.emit(lambda: show(found))

        self._asking = threading.Thread(target=ask, name="obs", daemon=True)
        self._asking.start()

    def _show_inputs(self, found: tuple[ObsInput, ...]) -> None:
        microphones = [each for each in found if each.is_microphone]
        self._offsets_ms = {each.name: each.offset_ms for each in microphones or found}
        self._list_offsets()
        if not microphones:
            self.inputs.setCurrentIndex(-1)
        self._show_choice()
        if found and not microphones:
            self._say("OBS has no microphone of its own; if one of these carries your voice, choose it.")

    def _show_choice(self) -> None:
        """What was said of another input holds no more."""
        for button in (self.set, self.clear):
            button.setEnabled(bool(self.inputs.value()))
        none = "OBS has no input with sound yet: add your microphone there."
        self._say("Choose your microphone." if self._offsets_ms else none)

    def _show_offset(self, name: str, offset_ms: int) -> None:
        self._offsets_ms[name] = offset_ms
        self._list_offsets()
        self._say(f"OBS delays {name} by {offset_ms} ms." if offset_ms else f"OBS delays {name} no more.")
        self.offset_set.emit(name, offset_ms)

    def _list_offsets(self) -> None:
        self.inputs.set_options([Option(name, f"{name}: {ms} ms now") for name, ms in self._offsets_ms.items()])

    def _show_voice(self, *, is_on: bool) -> None:
        self.double.setVisible(is_on)
        self.voice_off.setVisible(is_on)

    def _leave_voice(self) -> None:
        self.voice_unwanted.emit()
        self._show_voice(is_on=False)
        self._make_room()

    def _say(self, text: str, *, is_bad: bool = False) -> None:
        self.words.setText(text)
        self.words.setVisible(bool(text))
        set_state(self.words, "bad" if is_bad else "good")
        self._make_room()

    def _make_room(self) -> None:
        """Qt gives a window no more height when its texts need more lines; they would overlap what is below."""
        layout = self.layout()
        if layout is not None:
            self.setMinimumHeight(layout.totalHeightForWidth(self.width()))

    def _connect(self) -> None:
        self.search.clicked.connect(self.look)
        self.set.clicked.connect(lambda: self.apply(self.delay.value()))
        self.clear.clicked.connect(lambda: self.apply(0))
        self.inputs.chosen.connect(self._show_choice)
        self.voice_off.clicked.connect(self._leave_voice)
        self.answered.connect(lambda show: show())
        self.delay.valueChanged.connect(self._keep_own_delay)
        self._beats.timeout.connect(self.measure)
        self._beats.start()

    def _keep_own_delay(self) -> None:
        self._is_own_delay = True

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
        column.addWidget(self.words)
        column.addStretch(1)
        column.addLayout(_row((self.clear, 1), (self.set, 1)))


def _number(value: int, low: int, high: int, unit: str = "") -> QSpinBox:
    """A field for a whole number."""
    field = QSpinBox()
    field.setRange(low, high)
    field.setSuffix(unit)
    field.setValue(value)
    # The style sheet's padding does not reach the line inside.
    field.lineEdit().setTextMargins(11, 0, 0, 0)
    return field


def _row(*parts: tuple[QWidget, int]) -> QLayout:
    """Side by side, each with its share of what is left of the width."""
    row = QHBoxLayout()
    row.setSpacing(12)
    for widget, share in parts:
        row.addWidget(widget, share)
    return row
