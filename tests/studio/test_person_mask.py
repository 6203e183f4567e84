"""The process that finds the person: real small processes instead of the model, and the model where it is installed."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from avatar_app.contracts.errors import MissingExtraError, StudioError
from avatar_app.live.webcam.package import is_installed
from avatar_app.studio.enrol.person import person_mask
from avatar_app.studio.enrol.person.person_mask import COMMAND, PersonFinderProcess
from avatar_app.studio.enrol.person.person_mask_protocol import FAILED, MASK, MAX_REPLY_BYTES, REPLY, read_reply

PICTURE = np.zeros((4, 6, 3), np.uint8)
START = "import sys, struct, time; out = sys.stdout.buffer; head = struct.Struct('<cI'); "
READY = START + "out.write(head.pack(b'R', 0)); out.flush(); "


def child(code: str) -> PersonFinderProcess:
    return PersonFinderProcess((sys.executable, "-c", code))


def test_process_when_it_replies_then_the_mask_of_the_picture() -> None:
    code = READY + "sys.stdin.buffer.read(8 + 72); out.write(head.pack(b'M', 24) + bytes(range(24))); out.flush()"
    with child(code) as find:
        assert (find(PICTURE) == np.arange(24).reshape(4, 6)).all()


def test_process_when_it_cannot_start_then_its_reason_and_what_to_do() -> None:
    with pytest.raises(StudioError, match=r"cannot be removed: ImportError: none.*--keep-background"):
        child(START + "out.write(head.pack(b'X', 17) + b'ImportError: none')")


def test_process_when_it_ends_then_one_sentence() -> None:
    with child(READY) as find, pytest.raises(StudioError, match="the process that finds the person ended"):
        find(PICTURE)


def test_process_when_the_mask_has_another_size_then_one_sentence() -> None:
    code = READY + "sys.stdin.buffer.read(80); out.write(head.pack(b'M', 3) + b'abc'); out.flush()"
    with child(code) as find, pytest.raises(StudioError, match="a mask of another size"):
        find(PICTURE)


def test_process_when_the_reply_is_of_another_kind_then_one_sentence() -> None:
    with child(READY + "sys.stdin.buffer.read(80); " + READY) as find, pytest.raises(StudioError, match="unexpected"):
        find(PICTURE)


def test_process_when_there_is_no_such_program_then_one_sentence(tmp_path) -> None:
    with pytest.raises(StudioError, match="The background cannot be removed"):
        PersonFinderProcess((str(tmp_path / "none"),))


def test_process_when_mediapipe_is_missing_then_how_to_install_it(monkeypatch) -> None:
    def missing() -> None:
        raise MissingExtraError("Head tracking needs the package mediapipe.", "Run `avatar-app webcam setup` once.")

    monkeypatch.setattr(person_mask, "require_package", missing)
    with pytest.raises(MissingExtraError, match="webcam setup"):
        PersonFinderProcess(COMMAND)


@pytest.mark.parametrize(
    "data", [b"", b"M", REPLY.pack(b"Q", 0), REPLY.pack(MASK, MAX_REPLY_BYTES + 1), REPLY.pack(MASK, 5) + b"abc"]
)
def test_read_reply_when_the_data_is_invalid_then_none(data: bytes) -> None:
    assert read_reply(io.BytesIO(data)) is None


def test_read_reply_when_valid_then_kind_and_body() -> None:
    assert read_reply(io.BytesIO(REPLY.pack(FAILED, 2) + b"no")) == (FAILED, b"no")


@pytest.mark.skipif(not is_installed(), reason="needs mediapipe")
def test_process_when_the_picture_shows_a_person_then_found() -> None:
    from avatar_app.live.frame import Avatar
    from tests.fakes.person_material import before, wall

    colours, alpha = Avatar.load("nova").idle(0)
    with PersonFinderProcess() as find:
        mask = find(before(colours, alpha, wall(*alpha.shape)))
    assert ((mask > 127) == (alpha > 127)).mean() > 0.97
