"""The dialog that sets the delay of a microphone in OBS."""

from itertools import combinations

import pytest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton, QSpinBox, QStyleOptionComboBox

from avatar_app.contracts.errors import OutputError
from avatar_app.gui.obs.dialog import NOT_MEASURED, WIDTH_PX, ObsDialog
from avatar_app.gui.widgets.rows import Chooser
from avatar_app.gui.widgets.theme import apply_theme, tokens_for
from avatar_app.live.voice.obs import ObsInput
from tests.gui.conftest import ASSETS, settle

# The offscreen platform has no window manager that takes size hints.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


class FakeObs:
    """An OBS with one microphone and one valid password."""

    def __init__(self):
        self.offsets = {"Mic/Aux": 0}
        self.played = ()

    def list(self, address):
        self._check(address)
        return tuple(ObsInput(name, ms, is_microphone=name not in self.played) for name, ms in self.offsets.items())

    def set(self, address, name, offset_ms):
        self._check(address)
        if name == "Broken":
            raise OutputError("OBS cannot shift the sound of 'Broken'.", "Choose another input.")
        self.offsets[name] = round(offset_ms)
        return self.offsets[name]

    def _check(self, address):
        if address.password != "right":  # noqa: S105
            raise OutputError("OBS refuses the password.", "Copy it from OBS.")


@pytest.fixture
def obs():
    return FakeObs()


@pytest.fixture
def dialog(qtbot, obs):
    dialog = ObsDialog(lambda: 108.4, None, obs.list, obs.set)
    qtbot.addWidget(dialog)
    dialog.password.setText("right")
    return dialog


def test_delay_when_set_then_obs_has_the_measured_delay(qtbot, dialog, obs):
    assert dialog.delay.value() == 108 and not dialog.set.isEnabled()
    dialog.search.click()
    qtbot.waitUntil(lambda: dialog.inputs.value() == "Mic/Aux")
    dialog.set.click()
    qtbot.waitUntil(lambda: "by 108 ms" in dialog.status.text())
    assert obs.offsets == {"Mic/Aux": 108}
    dialog.reject()


def test_password_when_wrong_then_reported_without_showing_it(qtbot, dialog):
    dialog.password.setText("hunter2")
    dialog.search.click()
    qtbot.waitUntil(lambda: "refuses" in dialog.status.text())
    assert dialog.status.property("state") == "bad" and "hunter2" not in dialog.status.text()
    dialog.reject()


def pick(chooser, value):
    chooser.setCurrentIndex(chooser.findData(value))
    chooser.activated.emit(chooser.currentIndex())


def names(chooser):
    return [chooser.itemData(number) for number in range(chooser.count())]


def test_microphones_when_found_then_desktop_audio_is_not_listed(qtbot, dialog, obs):
    obs.offsets, obs.played = {"Desktop Audio": 0, "Mic/Aux": 0}, ("Desktop Audio",)
    dialog.search.click()
    qtbot.waitUntil(lambda: dialog.inputs.value() == "Mic/Aux")
    assert names(dialog.inputs) == ["Mic/Aux"]
    dialog.reject()


def test_microphones_when_there_are_none_then_other_inputs_are_listed_and_none_is_chosen(qtbot, dialog, obs):
    obs.offsets, obs.played = {"Desktop Audio": 0, "Video": 0}, ("Desktop Audio", "Video")
    dialog.search.click()
    qtbot.waitUntil(lambda: dialog.inputs.count() == 2)
    assert dialog.inputs.currentIndex() == -1 and not dialog.set.isEnabled() and not dialog.clear.isEnabled()
    assert "no microphone" in dialog.status.text()
    pick(dialog.inputs, "Video")
    assert dialog.set.isEnabled()
    dialog.reject()


def test_error_of_one_input_when_another_is_chosen_then_disappears(qtbot, dialog, obs):
    obs.offsets = {"Broken": 0, "Mic/Aux": 0}
    dialog.search.click()
    qtbot.waitUntil(lambda: dialog.inputs.value() == "Broken")
    dialog.set.click()
    qtbot.waitUntil(lambda: "cannot shift" in dialog.status.text())
    pick(dialog.inputs, "Mic/Aux")
    assert "cannot" not in dialog.status.text() and dialog.status.property("state") == "good"
    dialog.reject()


def test_name_when_too_long_for_the_closed_box_then_ends_with_an_ellipsis_and_keeps_its_delay(qtbot, dialog, obs):
    obs.offsets = {"A microphone of a very long name in the studio on the second floor": 138}
    dialog.show()
    dialog.search.click()
    qtbot.waitUntil(lambda: dialog.inputs.count() == 1)
    option = QStyleOptionComboBox()
    dialog.inputs.initStyleOption(option)
    shown = dialog.inputs.shown_text(option)
    assert "…" in shown and shown.endswith("ms") and shown != option.currentText
    dialog.reject()


def test_dialog_when_the_avatar_is_stopped_then_shows_no_delay(qtbot):
    dialog = ObsDialog(lambda: float("nan"))
    qtbot.addWidget(dialog)
    assert (dialog.delay.value(), dialog.status.text()) == (0, "")
    assert dialog.measured.text() == NOT_MEASURED


def test_delay_when_the_dialog_stays_open_then_is_measured_repeatedly(qtbot):
    now_ms = [float("nan"), 108.4, 131.6]
    dialog = ObsDialog(lambda: now_ms[0])
    qtbot.addWidget(dialog)
    dialog.show()
    for value in (108, 132):
        now_ms.pop(0)
        # The dialog's own timer, not a call.
        qtbot.waitUntil(lambda value=value: f" {value} ms" in dialog.measured.text())
        assert dialog.delay.value() == value
    dialog.reject()
    assert not dialog._timer.isActive()


def test_delay_when_edited_by_the_user_then_stays_and_the_measured_one_is_shown_too(qtbot):
    now_ms = [108.4]
    dialog = ObsDialog(lambda: now_ms[0])
    qtbot.addWidget(dialog)
    dialog.delay.setValue(90)
    now_ms[0] = 131.6
    dialog.measure()
    assert dialog.delay.value() == 90 and " 132 ms" in dialog.measured.text()
    dialog.reject()


def test_delay_when_reset_then_obs_has_none_and_it_is_signalled(qtbot, dialog, obs):
    obs.offsets["Mic/Aux"] = 138
    assert not dialog.clear.isEnabled()
    dialog.search.click()
    qtbot.waitUntil(lambda: dialog.inputs.currentText() == "Mic/Aux: 138 ms")
    with qtbot.waitSignal(dialog.offset_set) as signal:
        dialog.clear.click()
    assert signal.args == ["Mic/Aux", 0]
    assert obs.offsets == {"Mic/Aux": 0}
    assert dialog.inputs.currentText() == "Mic/Aux: 0 ms"
    assert dialog.status.text() == "OBS no longer delays Mic/Aux."
    dialog.reject()


def test_dialog_when_voice_in_sync_is_off_then_does_not_mention_it(dialog):
    assert dialog.double.isHidden() and dialog.voice_off.isHidden()


def test_dialog_when_voice_in_sync_is_on_then_warns_and_can_turn_it_off(qtbot):
    dialog = ObsDialog(lambda: 108.4, voice_output="Cable, PulseAudio")
    qtbot.addWidget(dialog)
    dialog.show()
    assert "Cable, PulseAudio" in dialog.double.text() and dialog.double.isVisible()
    with qtbot.waitSignal(dialog.voice_unwanted):
        dialog.voice_off.click()
    assert not dialog.double.isVisible() and not dialog.voice_off.isVisible()


@pytest.mark.parametrize("width_px", [WIDTH_PX, 500, 900])
def test_error_when_long_then_fits_at_any_width(qtbot, width_px):
    def refuse(address):
        raise OutputError("OBS does not answer. " * 6, "Start OBS 28 or later and enable its server. " * 6)

    apply_theme(QApplication.instance(), tokens_for("dark"), ASSETS)
    dialog = ObsDialog(lambda: 108.4, None, refuse, voice_output="A very long name of a virtual cable, PulseAudio")
    qtbot.addWidget(dialog)
    dialog.resize(width_px, 300)
    dialog.show()
    dialog.search.click()
    qtbot.waitUntil(lambda: "28 or later" in dialog.status.text())
    dialog.done(0)
    dialog.show()
    settle()
    assert dialog.width() == width_px
    parts = [part for kind in (QLabel, QLineEdit, QPushButton, QSpinBox, Chooser) for part in dialog.findChildren(kind)]
    parts = [part for part in parts if part.isVisible() and not isinstance(part.parent(), QSpinBox)]
    places = [part.rect().translated(part.mapTo(dialog, part.rect().topLeft())) for part in parts]
    assert all(dialog.rect().contains(place) for place in places)
    assert not any(one.intersects(other) for one, other in combinations(places, 2))
    assert dialog.status.height() >= dialog.status.heightForWidth(dialog.status.width())
