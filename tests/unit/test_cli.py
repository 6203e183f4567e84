"""The command line without the commands themselves."""

import json
import logging

import pytest

from avatar_app import cli
from avatar_app.contracts.errors import UserError
from avatar_app.studio import cli as studio_cli


def parse(*words):
    return cli.build_parser().parse_args(words)


@pytest.mark.parametrize("words", [("--fps", "30", "doctor"), ("doctor", "--fps", "30")])
def test_common_flags_when_before_or_after_the_command_then_taken(words):
    assert parse(*words).fps == 30


def test_settings_when_flags_are_given_then_they_override_the_saved_ones(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"version": 1, "fps": 50, "lookahead_ms": 160}))
    arguments = parse("--profile-dir", str(tmp_path), "--lookahead-ms", "40", "--mic", "demo")
    saved, settings, _ = cli._settings(arguments, cli.NoticeBoard())
    assert (saved.fps, saved.lookahead_ms, saved.mic) == (50, 160, "")
    assert (settings.fps, settings.lookahead_ms, settings.mic) == (50, 40, "demo")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--fps", "26", "doctor"), "Use one of: 25, 30, 50, 60."),
        (("--precision", "int9", "doctor"), "Did you mean 'int8'"),
        (("studio", "trian"), "no studio command 'trian'"),
    ],
)
def test_main_when_the_user_makes_an_error_then_one_message_and_exit_code_2(words, sentence, capsys):
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_main_when_interrupted_then_130(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run_doctor", interrupted)
    assert cli.main(["doctor"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_main_when_there_is_no_screen_then_reports_it(monkeypatch, capsys):
    monkeypatch.setattr(cli.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert cli.main([]) == 2
    assert "avatar-app render" in capsys.readouterr().err


def test_json_log_when_requested_then_every_line_is_json(monkeypatch, capsys):
    def chatter(arguments):
        logging.getLogger("avatar_app.test").info("hello %s", "wörld")
        return 0

    monkeypatch.setattr(cli, "_run_doctor", chatter)
    assert cli.main(["doctor", "--json-log"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["hello wörld"]
    assert lines[0]["logger"] == "avatar_app.test"


def test_json_log_when_there_is_an_error_then_it_is_a_json_line_too(monkeypatch, capsys):
    def fail(arguments):
        raise UserError("There is no such thing.", "Choose another.")

    monkeypatch.setattr(cli, "_run_doctor", fail)
    assert cli.main(["doctor", "--json-log"]) == 2
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["level"], line["message"]) == ("error", "There is no such thing. Choose another.")
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "There is no such thing. Choose another.\n"


def test_version_when_requested_then_printed(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("avatar-app ")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_duration_when_not_a_length_then_refused(text, capsys):
    with pytest.raises(SystemExit) as end:
        parse("--duration", text)
    assert end.value.code == 2


def test_studio_when_torch_is_missing_then_names_the_extra(monkeypatch, capsys):
    monkeypatch.setattr(studio_cli.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["studio", "train", "speech"]) == 2
    assert "pip install -e '.[studio]'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["-h"], []])
def test_studio_when_asked_for_help_then_lists_its_commands(words, capsys):
    assert cli.main(["studio", *words]) == 0
    assert "train teacher" in capsys.readouterr().out


def test_studio_find_when_the_command_has_two_words_then_finds_its_module():
    assert studio_cli.find(["train", "picture", "--resume"]).module.endswith("train.mouth_renderer")
    with pytest.raises(UserError):
        studio_cli.find(["train"])


def test_output_flags_when_given_then_apply_to_this_start_alone(tmp_path):
    arguments = parse("--profile-dir", str(tmp_path), "--startvirtualcam", "--startrecording", "--minimize-to-tray")
    saved, settings, _ = cli._settings(arguments, cli.NoticeBoard())
    assert (saved.is_camera_on, settings.is_camera_on) == (False, True)
    assert arguments.startrecording and arguments.minimize_to_tray


def test_profile_when_named_then_its_settings_apply_and_flags_override_them(tmp_path):
    arguments = parse("--profile-dir", str(tmp_path), "--profile", "Event booth", "--fps", "50")
    saved, settings, _ = cli._settings(arguments, cli.NoticeBoard())
    assert (saved.is_kiosk, settings.is_kiosk, settings.fps) == (False, True, 50)


def test_profile_when_unknown_then_one_error(tmp_path, capsys):
    assert cli.main(["--profile-dir", str(tmp_path), "--profile", "None such"]) == 2
    assert "There is no profile 'None such'" in capsys.readouterr().err


def test_safe_mode_when_requested_then_no_saved_setting_applies(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"version": 1, "is_camera_on": True, "engine": "openvino"}))
    _, settings, _ = cli._settings(parse("--profile-dir", str(tmp_path), "--safe-mode"), cli.NoticeBoard())
    assert (settings.is_camera_on, settings.engine, settings.precision) == (False, "onnxruntime-cpu", "fp32")


@pytest.mark.parametrize(
    ("words", "model"),
    [
        (("--avatar", "ada"), ""),
        (("--avatar", "nova"), "nova-96"),
        (("--avatar", "ada", "--model", "ada-96"), "ada-96"),
        ((), "nova-96"),
    ],
)
def test_avatar_when_another_one_is_named_then_the_saved_model_is_not_used(tmp_path, words, model):
    (tmp_path / "settings.json").write_text(json.dumps({"version": 1, "model": "nova-96"}))
    saved, settings, _ = cli._settings(parse("--profile-dir", str(tmp_path), *words), cli.NoticeBoard())
    assert (saved.model, settings.model) == ("nova-96", model)
