"""Installing the face tracker, with a fake pip."""

import sys

import pytest

from avatar_app.contracts.errors import CameraInputError, MissingExtraError
from avatar_app.live.webcam import package, setup
from avatar_app.live.webcam.protocol import READY, Reply


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """An empty environment, and a pip that runs `script`; `target` is its target folder."""
    monkeypatch.setattr(package, "package_dir", lambda: tmp_path / "avatar-app-webcam")

    def become(script):
        program = tmp_path / "pip.py"
        program.write_text(
            f"import pathlib, sys\ntarget = pathlib.Path(sys.argv[sys.argv.index('--target') + 1])\n{script}"
        )
        real = package.subprocess.run
        monkeypatch.setattr(
            package.subprocess, "run",
            lambda command, **rest: real((sys.executable, str(program), *command[2:]), **rest),
        )  # fmt: skip

    become("(target / 'mediapipe').mkdir(parents=True); (target / 'argv').write_text(' '.join(sys.argv))")
    become.folder = tmp_path / "avatar-app-webcam"
    return become


def test_install_when_pip_succeeds_then_locked_packages_without_their_dependencies(pip):
    lines = []
    assert package.install(lines.append) == pip.folder
    words = (pip.folder / "argv").read_text().split()
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(words)
    assert words[words.index("--requirement") + 1] == str(package.LOCK)
    assert "mediapipe" in lines[0]
    assert package.is_installed()
    assert not package.is_outdated()


def test_install_when_pip_fails_then_its_reason_and_the_old_version_stays(pip):
    package.install(lambda line: None)
    pip("print('noise\\nERROR: No matching distribution found for mediapipe==0.10.21', file=sys.stderr); sys.exit(1)")
    with pytest.raises(CameraInputError, match=r"No matching distribution.*3.10 to 3.12"):
        package.install(lambda line: None)
    assert (pip.folder / "mediapipe").is_dir()


def test_install_when_a_package_is_not_the_tested_one_then_error(pip):
    pip("print('ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\\n  Got  12ab', file=sys.stderr); sys.exit(1)")
    with pytest.raises(CameraInputError, match="not the version that this program was tested with"):
        package.install(lambda line: None)
    assert not pip.folder.exists()


def test_is_outdated_when_made_from_another_lock_then_true(pip):
    assert not package.is_outdated()
    package.install(lambda line: None)
    (pip.folder / package.LOCK.name).write_text("mediapipe==0\n")
    assert package.is_outdated()
    (pip.folder / package.LOCK.name).unlink()
    assert package.is_outdated()


def test_install_when_an_old_version_exists_then_replaced_completely(pip):
    (pip.folder / "old").mkdir(parents=True)
    package.install(lambda line: None)
    assert not (pip.folder / "old").exists()


@pytest.mark.parametrize(("version", "words"), [((3, 13), r"Python 3.13.*Python 3.12"), ((3, 11), "webcam setup")])
def test_require_when_missing_then_what_to_do_with_this_python(pip, monkeypatch, version, words):
    monkeypatch.setattr(package.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    with pytest.raises(MissingExtraError, match=words):
        package.require_package()


def test_setup_when_tracker_replies_then_nothing_is_downloaded(monkeypatch, capsys):
    monkeypatch.setattr(setup, "is_installed", lambda: True)
    monkeypatch.setattr(setup, "is_outdated", lambda: False)
    monkeypatch.setattr(setup, "_first_reply", lambda: Reply(READY))
    monkeypatch.setattr(setup, "install", lambda tell: pytest.fail("downloaded"))
    assert setup.run("setup") == 0
    assert "tracking is ready" in capsys.readouterr().out


def test_setup_when_tracker_is_of_another_version_then_reinstalled(monkeypatch):
    downloaded = []
    monkeypatch.setattr(setup, "is_installed", lambda: True)
    monkeypatch.setattr(setup, "is_outdated", lambda: True)
    monkeypatch.setattr(setup, "_first_reply", lambda: Reply(READY))
    monkeypatch.setattr(setup, "install", downloaded.append)
    assert setup.run("setup") == 0
    assert len(downloaded) == 1


def test_setup_when_tracker_does_not_run_then_reinstalled_and_its_message_shown(monkeypatch):
    downloaded = []
    monkeypatch.setattr(setup, "is_installed", lambda: True)
    monkeypatch.setattr(setup, "_first_reply", lambda: Reply(b"X", problem="ImportError: no AVX"))
    monkeypatch.setattr(setup, "install", downloaded.append)
    with pytest.raises(CameraInputError, match="no AVX"):
        setup.run("setup")
    assert len(downloaded) == 1


def test_list_when_there_is_no_camera_then_prints_it(monkeypatch, capsys):
    monkeypatch.setattr(setup, "list_cameras", lambda: ())
    assert setup.run("list") == 0
    assert capsys.readouterr().out == "No camera was found.\n"
