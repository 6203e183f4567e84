import pytest

from avatar_app import doctor
from avatar_app.contracts.errors import MissingExtraError
from avatar_app.live.camera import camera_findings
from avatar_app.live.webcam import CameraDevice
from tests.fakes.camera import FakeProbe


def test_doctor_when_the_camera_has_a_problem_then_a_warning_and_no_failure(monkeypatch):
    probe = FakeProbe("linux")
    monkeypatch.setattr(doctor, "camera_findings", lambda: camera_findings(probe))
    (finding,) = doctor._camera()
    assert isinstance(finding, doctor.Finding)
    assert (finding.name, finding.health) == ("virtual camera", doctor.Health.WARNING)
    assert "sudo modprobe v4l2loopback" in finding.what_to_do
    probe.package = False
    assert [finding.health for finding in doctor._camera()] == [doctor.Health.OK]


@pytest.mark.parametrize(
    ("names", "health", "words"),
    [(["Desk", "Lid"], doctor.Health.OK, "Desk; Lid"), ([], doctor.Health.WARNING, "No webcam was found")],
)
def test_doctor_when_the_tracker_is_installed_then_names_the_webcams_or_says_that_there_is_none(
    monkeypatch, names, health, words
):
    monkeypatch.setattr(doctor, "require_package", lambda: None)
    monkeypatch.setattr(doctor, "list_cameras", lambda: tuple(CameraDevice(name, k, 0) for k, name in enumerate(names)))
    (finding,) = doctor._webcam()
    assert (finding.name, finding.health) == ("webcam", health)
    assert words in finding.text
    assert bool(finding.what_to_do) is not (health is doctor.Health.OK)


def test_doctor_when_the_tracker_is_missing_then_how_to_install_it_and_no_failure(monkeypatch):
    def refuse():
        raise MissingExtraError("Head tracking needs the package mediapipe.", "Run `avatar-app webcam setup`.")

    monkeypatch.setattr(doctor, "require_package", refuse)
    (finding,) = doctor._webcam()
    assert (finding.health, "webcam setup" in finding.text) == (doctor.Health.OK, True)
