from avatar_app import doctor
from avatar_app.live.camera import camera_findings
from tests.fakes.camera import FakeProbe


def test_doctor_when_camera_is_in_trouble_then_warns_and_never_fails(monkeypatch):
    probe = FakeProbe("linux")
    monkeypatch.setattr(doctor, "camera_findings", lambda: camera_findings(probe))
    (finding,) = doctor._camera()
    assert isinstance(finding, doctor.Finding)
    assert (finding.name, finding.health) == ("virtual camera", doctor.Health.WARNING.value)
    assert "sudo modprobe v4l2loopback" in finding.what_to_do
    probe.package = False
    assert [finding.health for finding in doctor._camera()] == [doctor.Health.OK.value]
