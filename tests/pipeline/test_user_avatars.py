"""Avatars in the user's data folder: the live path and the doctor find them."""

import shutil

from avatar_app import doctor
from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.frame_thread import FramePart
from avatar_app.live.loader import AvatarSlot
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.fakes.avatar_folder import write_avatar


def test_avatar_when_it_is_the_users_then_the_live_path_opens_it(tmp_path):
    write_avatar(tmp_path, "mine")
    notices, frame = NoticeBoard(), FramePart(ManualClock(), StageMeters(), Latest(), 25)
    slot = AvatarSlot(Settings(), notices, ProfilePaths(tmp_path), frame)
    slot.start()
    try:
        slot.request(Settings(avatar="mine"))
        assert slot.wait_until_idle().id == "mine" and notices.current() == ()
    finally:
        slot.stop()
        slot.join(30)


def test_doctor_when_the_user_has_avatars_then_checks_them_too(tmp_path):
    n_shipped = len(list(doctor._avatars(ProfilePaths(tmp_path))))
    folder = write_avatar(tmp_path, "mine")
    shutil.copytree(folder, folder.with_name("broken"))
    (folder.with_name("broken") / "mask.png").unlink()
    found = [finding.health for finding in doctor._avatars(ProfilePaths(tmp_path))]
    assert (len(found) - n_shipped, found.count(doctor.Health.FAILED)) == (2, 1)
