"""OBS is asked to delay the microphone."""

import pytest

from avatar_app.contracts.errors import OutputError
from avatar_app.gui.obs_dialog import ObsDialog
from avatar_app.live.voice.obs import ObsInput


class FakeObs:
    """An OBS with one microphone; knows one password."""

    def __init__(self):
        self.offsets = {"Mic/Aux": 0}

    def list(self, address):
        self._check(address)
        return tuple(ObsInput(name, ms) for name, ms in self.offsets.items())

    def set(self, address, name, offset_ms):
        self._check(address)
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
    dialog = ObsDialog(108.4, None, obs.list, obs.set)
    qtbot.addWidget(dialog)
    dialog.password.setText("right")
    return dialog


def test_delay_when_set_then_obs_has_what_the_picture_takes(qtbot, dialog, obs):
    assert dialog.delay.value() == 108 and not dialog.set.isEnabled()
    dialog.search.click()
    qtbot.waitUntil(lambda: dialog.inputs.value() == "Mic/Aux")
    dialog.set.click()
    qtbot.waitUntil(lambda: "by 108 ms" in dialog.words.text())
    assert obs.offsets == {"Mic/Aux": 108}
    dialog.reject()


def test_password_when_wrong_then_said_and_in_no_words(qtbot, dialog):
    dialog.password.setText("hunter2")
    dialog.search.click()
    qtbot.waitUntil(lambda: "refuses" in dialog.words.text())
    assert dialog.words.property("state") == "bad" and "hunter2" not in dialog.words.text()
    dialog.reject()


def test_dialog_when_nothing_runs_then_no_delay_is_claimed(qtbot):
    dialog = ObsDialog(float("nan"))
    qtbot.addWidget(dialog)
    assert (dialog.delay.value(), dialog.words.text()) == (0, "")
