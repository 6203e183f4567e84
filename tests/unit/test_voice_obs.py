import logging
import socket
import sys
import traceback

import pytest

from avatar_app.contracts.errors import MissingExtraError, OutputError
from avatar_app.live.voice import obs
from avatar_app.live.voice.obs import ObsAddress, ObsInput, list_obs_inputs, set_obs_offset

pytest.importorskip("simpleobsws")
from tests.fakes.obs import FakeObs, proof

PASSWORD = "correct horse battery"  # noqa: S105 - no secret


@pytest.fixture
def short_timeout(monkeypatch):
    monkeypatch.setattr(obs, "TIMEOUT_S", 0.5)


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_offset_when_set_then_obs_has_it(password):
    with FakeObs(password) as server:
        assert set_obs_offset(ObsAddress(port=server.port, password=password), "Mic/Aux", 187.4) == 187
        assert server.inputs["Mic/Aux"] == 187
        assert server.requests == [("SetInputAudioSyncOffset", {"inputName": "Mic/Aux", "inputAudioSyncOffset": 187})]


def test_inputs_when_listed_then_those_with_sound_and_their_offsets():
    with FakeObs() as server:
        assert list_obs_inputs(ObsAddress(port=server.port)) == (
            ObsInput("Mic/Aux", 0),
            ObsInput("Desktop", 20, is_microphone=False),
        )


@pytest.mark.parametrize(
    ("kind", "is_microphone"),
    [
        ("pulse_input_capture", True),
        ("wasapi_input_capture", True),
        ("coreaudio_input_capture", True),
        ("alsa_input_capture", True),
        ("jack_output_capture", True),
        ("pipewire_audio_input_capture", True),
        ("pulse_output_capture", False),
        ("wasapi_output_capture", False),
        ("wasapi_process_output_capture", False),
        ("coreaudio_output_capture", False),
        ("pipewire_audio_application_capture", False),
        ("ffmpeg_source", False),
    ],
)
def test_inputs_when_listed_then_microphones_are_distinguished_from_playback(kind, is_microphone):
    with FakeObs() as server:
        server.kinds["Mic/Aux"] = kind
        assert list_obs_inputs(ObsAddress(port=server.port))[0].is_microphone is is_microphone


def test_offset_when_system_has_a_proxy_then_obs_is_reached_directly(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with FakeObs() as server:
        assert set_obs_offset(ObsAddress(port=server.port), "Desktop", -950) == -950


def test_offset_when_input_is_unknown_then_error_names_those_with_sound():
    with FakeObs() as server, pytest.raises(OutputError, match=r"no input named 'Mike'.*Mic/Aux; Desktop") as raised:
        set_obs_offset(ObsAddress(port=server.port), "Mike", 100)
    assert "Picture" not in str(raised.value)


def test_offset_when_no_input_has_sound_then_error_says_to_add_one():
    with FakeObs() as server, pytest.raises(OutputError, match=r"no input named 'Mike'\. Add your microphone in OBS"):
        server.inputs = {"Picture": None}
        set_obs_offset(ObsAddress(port=server.port), "Mike", 100)


def test_offset_when_input_has_no_sound_then_error_gives_the_reason():
    with FakeObs() as server, pytest.raises(OutputError, match="'Picture': No sound there"):
        set_obs_offset(ObsAddress(port=server.port), "Picture", 100)


@pytest.mark.parametrize("offset_ms", [-951, 20_001])
def test_offset_when_out_of_range_then_error_without_a_request(offset_ms):
    with pytest.raises(OutputError, match="-950 to 20000"):
        set_obs_offset(ObsAddress(port=1), "Mic/Aux", offset_ms)


def test_offset_when_obs_does_not_run_then_error_says_where_to_enable_it():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OutputError, match=r"does not answer at.*WebSocket Server Settings"):
        list_obs_inputs(ObsAddress(port=port))


@pytest.mark.parametrize(("given", "sentence"), [("", "asks for a password"), ("wrong one", "refuses the password")])
def test_offset_when_password_is_wrong_then_error_that_does_not_contain_it(given, sentence, caplog):
    caplog.set_level(logging.DEBUG)
    assert PASSWORD not in repr(ObsAddress(password=PASSWORD))
    with FakeObs(PASSWORD) as server, pytest.raises(OutputError, match=sentence) as raised:
        list_obs_inputs(ObsAddress(port=server.port, password=given))
    output = "".join(traceback.format_exception(raised.value)) + caplog.text
    for secret in ("wrong one", proof("wrong one"), proof("")):
        assert secret not in output


def test_offset_when_password_is_right_then_no_log_line_holds_it_or_its_hash(caplog):
    caplog.set_level(logging.DEBUG)
    with FakeObs(PASSWORD) as server:
        list_obs_inputs(ObsAddress(port=server.port, password=PASSWORD))
    assert PASSWORD not in caplog.text
    assert proof(PASSWORD) not in caplog.text


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("4", "does not use obs-websocket 5.*OBS 28"),
        ("rpc", "another version of its protocol.*OBS 28"),
        ("mute", "gave no valid answer"),
        ("odd", "gave no valid answer"),
    ],
)
def test_offset_when_obs_is_old_or_misbehaves_then_error_within_the_timeout(way, sentence, short_timeout):
    with FakeObs(way=way) as server, pytest.raises(OutputError, match=sentence):
        list_obs_inputs(ObsAddress(port=server.port))


def test_offset_when_another_server_answers_then_error(short_timeout):
    import http.server
    import threading

    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        with pytest.raises(OutputError, match="not OBS"):
            list_obs_inputs(ObsAddress(port=server.server_port))
        serving.join(5)


def test_offset_when_extra_is_missing_then_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "simpleobsws", None)
    with pytest.raises(MissingExtraError, match="obs extra"):
        list_obs_inputs(ObsAddress())
