"""The lines between the wizard and the command that makes an avatar, and the request of an enrolment."""

import json

import pytest

from avatar_app.contracts.enrol_progress import (
    EnrolFailure,
    EnrolFinished,
    EnrolProgress,
    format_message,
    parse_message,
)
from avatar_app.contracts.enrol_request import EnrolRequest, command_arguments, read_request, write_request
from avatar_app.contracts.errors import InputFileError, MissingFileError
from avatar_app.settings.paths import ProfilePaths

MESSAGES = (
    EnrolProgress("renderer", "Learning the mouth", 0.42, 310.0, "/e/a/preview.png"),
    EnrolProgress("track", "Finding the face", 0.0),
    EnrolFailure("The video has no sound.", "Record it again with a microphone."),
    EnrolFinished("ada", "ada-hd", "/x/report.json", "/x/comparison.mp4"),
)


@pytest.mark.parametrize("message", MESSAGES)
def test_message_when_formatted_and_parsed_then_is_the_same(message):
    line = format_message(message)
    assert "\n" not in line and line.isascii()
    assert parse_message(line + "\n") == message


def test_line_when_written_by_hand_then_is_the_documented_one():
    line = '{"step": "renderer", "title": "Learning the mouth", "done": 0.42, "eta_s": null, "later": 1}'
    assert parse_message(line) == EnrolProgress("renderer", "Learning the mouth", 0.42)
    assert json.loads(format_message(MESSAGES[2])) == {
        "error": {"what": "The video has no sound.", "what_to_do": "Record it again with a microphone."}
    }


@pytest.mark.parametrize(
    "line",
    ["", "torch: warning", "[1]", "{", '{"step": "x"}', '{"step": "x", "title": "y", "done": 7}', '{"error": "x"}',
     '{"finished": {"avatar_id": "a"}}', '{"step": 1, "title": "y", "done": 0}', "{" + " " * 30_000 + "}"],
)  # fmt: skip
def test_line_when_it_is_no_message_then_is_ignored(line):
    assert parse_message(line) is None


def test_request_when_written_then_is_read_again(tmp_path):
    request = EnrolRequest("Ada L.", "It is my face.", ("/v/a.mp4", "/v/b.mp4"), "/v/text.txt", "de", "best", True)
    write_request(tmp_path / "ada", request)
    assert read_request(tmp_path / "ada") == request


@pytest.mark.parametrize(
    "change", [{"quality": "poor"}, {"name": 3}, {"videos": [1]}, {"videos": 5}, {"keep_background": "yes"}]
)
def test_request_when_damaged_then_is_refused(tmp_path, change):
    fields = {"name": "Ada", "consent": "yes", "videos": [], "text": "", "quality": "good"} | change
    (tmp_path / "request.json").write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(InputFileError):
        read_request(tmp_path)


def test_request_when_missing_then_says_so(tmp_path):
    with pytest.raises(MissingFileError):
        read_request(tmp_path)


def test_enrolments_when_a_profile_folder_is_given_then_lie_inside(tmp_path):
    assert ProfilePaths(tmp_path).enrolments_dir == tmp_path / "enrolments"


def test_arguments_when_made_then_are_those_of_the_command(tmp_path):
    request = EnrolRequest("Ada L.", "It is my face.", ("/v/a.mp4", "/v/b.mp4"), "/v/text.txt", "de", "best", True)
    assert command_arguments("ada", request, tmp_path) == [
        "studio", "enrol", "--id", "ada", "--name", "Ada L.", "--quality", "best", "--progress", "json", "--consent",
        "--text", "/v/text.txt", "--language", "de", "--keep-background", "--profile-dir", str(tmp_path),
        "--video", "/v/a.mp4", "/v/b.mp4",
    ]  # fmt: skip
    bare = command_arguments("ada", EnrolRequest("Ada", "", ("/v/a.mp4",)), None)
    assert not {"--consent", "--text", "--language", "--keep-background", "--profile-dir"} & set(bare)
