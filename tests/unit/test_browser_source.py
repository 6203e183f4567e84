"""The server over real sockets, without a browser."""

import contextlib
import json
import logging
import socket
import threading

import pytest

from avatar_app.contracts.errors import SettingsError
from avatar_app.live.browser import Action, Argument, BrowserState, connections, site
from avatar_app.live.browser import browser_source as source
from avatar_app.live.browser.browser_source import MAX_VIEWERS
from tests.fakes.browser_source import (
    DEADLINE_S,
    TOKEN,
    Client,
    Stand,
    decode,
    disc_picture,
    exchange,
    handshake,
    request,
    wait_until,
)


@pytest.fixture
def muted():
    return {"is_muted": False}


@pytest.fixture
def stand(muted):
    def mute(value):
        muted["is_muted"] = not muted["is_muted"] if value is None else value

    actions = {"mute": Action("mute", "Mute.", Argument.SWITCH, mute)}
    with Stand(control=actions, state=lambda: muted) as made:
        yield made


@pytest.fixture(scope="module")
def standing():
    """One server for all tests that leave it unchanged."""

    def fail(value):
        raise AssertionError("a request without the token was served")

    with Stand(control={"mute": Action("mute", "Mute.", Argument.SWITCH, fail)}) as made:
        yield made


def bare(answer: bytes) -> bytes:
    """Without headers that change, and with one HTTP version: malformed requests are answered in HTTP 1.0."""
    lines = answer.replace(b"HTTP/1.0", b"HTTP/1.1").splitlines()
    return b"\n".join(line for line in lines if not line.startswith((b"Date:", b"Connection:", b"Content-")))


def test_page_when_token_is_right_then_served_with_all_its_headers(stand):
    answer = exchange(stand.port, request(stand.port, f"/?token={TOKEN}")).decode()
    assert answer.startswith("HTTP/1.1 200 ")
    assert "<canvas" in answer
    for header in ("Cache-Control: no-store", "Referrer-Policy: no-referrer", "script-src 'sha256-", "nosniff"):
        assert header in answer
    assert "Access-Control" not in answer
    assert TOKEN not in answer


@pytest.mark.parametrize("path", ["/", "/pictures", "/control", "/control/mute", "/nothing", "/page.html", "/%00", "*"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "BREW"])
def test_request_when_token_is_missing_then_answer_is_always_the_same_404(standing, path, method):
    head, _, body = exchange(standing.port, request(standing.port, path, method)).partition(b"\r\n\r\n")
    elsewhere, _, text = exchange(standing.port, request(standing.port, "/elsewhere")).partition(b"\r\n\r\n")
    assert bare(head) == bare(elsewhere)
    assert bare(head).startswith(b"HTTP/1.1 404 ")
    assert text == site.REFUSAL_TEXT.encode()
    assert f"Content-Length: {len(text)}\r\n".encode() in head
    # The method of a malformed request is unknown, so its answer has a body.
    assert body == text or (method == "HEAD" and not body)


@pytest.mark.parametrize(
    ("host", "origin"),
    [("evil.example", None), ("127.0.0.1:1", None), ("", "http://evil.example"), ("", "null"), ("", "file://")],
)
@pytest.mark.parametrize("path", ["/", "/pictures", "/control"])
def test_request_when_host_or_origin_is_foreign_then_refused_even_with_the_token(standing, path, host, origin):
    headers = {"Origin": origin} if origin else {}
    sent = (
        handshake(standing.port, path, **headers)
        if path != "/"
        else request(standing.port, f"/?token={TOKEN}", **headers)
    )
    if host:
        sent = sent.replace(f"Host: 127.0.0.1:{standing.port}".encode(), f"Host: {host}".encode())
    assert exchange(standing.port, sent).startswith(b"HTTP/1.1 404 ")


def test_request_when_ipv6_is_available_then_served_too(stand):
    try:
        socket.create_connection(("::1", stand.port), timeout=DEADLINE_S).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    sent = request(stand.port, f"/?token={TOKEN}", host=f"[::1]:{stand.port}")
    assert exchange(stand.port, sent, "::1").startswith(b"HTTP/1.1 200 ")


def test_pictures_when_viewer_answers_then_gets_each_and_they_are_ours(stand):
    picture = disc_picture()
    with Client(stand.port, "/pictures", Origin=f"http://127.0.0.1:{stand.port}") as client:
        wait_until(lambda: stand.source.status().n_viewers == 1)
        for wanted in range(1, 6):
            stand.put(picture)
            index, got = decode(client.receive())
            assert index == wanted
            assert (got[:, :, 3] == picture[:, :, 3]).all()
            client.send("shown")
    wait_until(lambda: stand.source.status().n_viewers == 0)


def test_pictures_when_viewer_never_answers_then_it_gets_two_and_the_other_goes_on(stand):
    with Client(stand.port, "/pictures") as slow, Client(stand.port, "/pictures") as quick:
        wait_until(lambda: stand.source.status().n_viewers == 2)
        for wanted in range(1, 9):
            stand.put(disc_picture(64))
            assert decode(quick.receive())[0] == wanted
            quick.send("shown")
        assert [decode(slow.receive())[0] for _ in range(2)] == [1, 2]
        # Of the six others the newest waits, as the next answer shows.
        wait_until(lambda: stand.source.status().n_dropped == 5)
        slow.send("shown")
        assert decode(slow.receive())[0] == 8


@pytest.mark.parametrize("said", ["shown", "hello", "x" * 1000])
def test_pictures_when_viewer_sends_an_unexpected_message_then_is_closed(stand, said):
    with Client(stand.port, "/pictures") as client:
        client.send(said)
        assert client.receive() is None


def test_pictures_when_there_are_too_many_viewers_then_the_next_is_refused(stand):
    clients = [Client(stand.port, "/pictures") for _ in range(MAX_VIEWERS)]
    with Client(stand.port, "/pictures") as one_more:
        assert one_more.status == 503
    for client in clients:
        assert client.status == 101
        client.__exit__()


def test_pictures_when_there_is_no_viewer_then_nothing_is_encoded(stand, monkeypatch):
    encoded = []
    monkeypatch.setattr(source, "encode", lambda picture: encoded.append(picture.index) or b"")
    for _ in range(5):
        stand.put(disc_picture(64))
        wait_until(lambda: stand.pictures._item is None)
    assert encoded == []
    with Client(stand.port, "/pictures"):
        wait_until(lambda: stand.source.status().n_viewers == 1)
        stand.put(disc_picture(64))
        wait_until(lambda: encoded == [6])


@pytest.mark.parametrize("path", ["/pictures", "/control"])
def test_sockets_when_a_huge_message_is_announced_then_closed_before_it_comes(stand, path):
    with Client(stand.port, path) as client:
        client.connection.sendall(bytes((0x81, 0xFF)) + (1_000_000).to_bytes(8, "big"))
        while client.receive() is not None:
            pass


def test_stop_when_an_action_hangs_then_returns_and_reports_it(caplog):
    go_on, is_called = threading.Event(), threading.Event()

    def hang(value):
        is_called.set()
        go_on.wait(DEADLINE_S)

    stand = Stand(control={"hang": Action("hang", "Hang.", Argument.NONE, hang)})
    stand.source.start()
    with Client(stand.port, "/control") as client:
        client.send('{"do": "hang"}')
        assert is_called.wait(DEADLINE_S)
        stand.source.stop()
        assert "did not stop" in caplog.text
        go_on.set()
        while client.receive() is not None:  # the state, the late answer, then the end
            pass


def test_control_when_requested_over_websocket_then_answers_and_sends_changes(stand, muted):
    with Client(stand.port, "/control") as client:
        assert json.loads(client.receive()) == {"event": "state", "state": {"is_muted": False}}
        assert client.ask(id=1, do="mute") == {"id": 1, "ok": True, "state": {"is_muted": True}}
        assert json.loads(client.receive()) == {"event": "state", "state": {"is_muted": True}}
        muted["is_muted"] = False
        assert json.loads(client.receive()) == {"event": "state", "state": {"is_muted": False}}
        assert client.ask(id=2, do="mtue")["what_to_do"] == "Did you mean 'mute'?"
        assert stand.source.status().n_controllers == 1


def test_control_when_message_is_long_then_is_closed_and_others_are_served(stand):
    with Client(stand.port, "/control") as client:
        client.receive()
        client.send("x" * 5000)
        assert client.receive() is None
    with Client(stand.port, "/control") as client:
        assert client.ask(id=1, do="state")["ok"]


def post(port: int, name: str, body: bytes = b"", **headers: str) -> tuple[int, dict]:
    answer = exchange(port, request(port, f"/control/{name}?token={TOKEN}", "POST", body, **headers))
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(content or b"{}")


def test_control_when_posted_then_done_and_answered(stand, muted):
    assert post(stand.port, "mute") == (200, {"id": None, "ok": True, "state": {"is_muted": True}})
    assert post(stand.port, "mute", b'{"value": false}')[1]["state"] == {"is_muted": False}
    status, answer = post(stand.port, "mtue")
    assert (status, answer["ok"]) == (400, False)
    assert post(stand.port, "mute", b"x" * 5000)[0] == 413
    assert not muted["is_muted"]


def test_request_when_slow_then_the_connection_is_closed(monkeypatch):
    monkeypatch.setattr(site, "REQUEST_TIMEOUT_S", 0.2)
    with Stand() as stand, socket.create_connection(("127.0.0.1", stand.port), timeout=DEADLINE_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127")
        assert connection.recv(100) == b""
        body = request(stand.port, f"/control/state?token={TOKEN}", "POST", b"{}")[:-1]
        with socket.create_connection(("127.0.0.1", stand.port), timeout=DEADLINE_S) as half:
            half.sendall(body)
            assert half.recv(100).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_requests_when_two_come_in_one_connection_then_the_first_is_answered_and_it_closes(stand, token):
    answer = exchange(stand.port, 2 * request(stand.port, f"/?token={token}"))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer


def test_connections_when_there_are_too_many_then_the_rest_is_closed(monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(site, "REQUEST_TIMEOUT_S", 60)
    with Stand() as stand:
        held = [socket.create_connection(("127.0.0.1", stand.port), timeout=DEADLINE_S) for _ in range(4)]
        assert held[-1].recv(10) == b""
        for connection in held:
            connection.close()
        wait_until(lambda: exchange(stand.port, request(stand.port, f"/?token={TOKEN}")).startswith(b"HTTP/1.1 200"))


def test_connections_when_many_are_slow_without_token_then_the_oldest_close_and_a_page_is_served(monkeypatch):
    monkeypatch.setattr(site, "REQUEST_TIMEOUT_S", 3600)
    with Stand() as stand:
        address = ("127.0.0.1", stand.port)
        with Client(stand.port, "/pictures") as viewer:
            slow = [
                socket.create_connection(address, timeout=DEADLINE_S) for _ in range(3 * connections.MAX_CONNECTIONS)
            ]
            for connection in slow:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
            assert exchange(stand.port, request(stand.port, f"/?token={TOKEN}")).startswith(b"HTTP/1.1 200")
            assert viewer.status == 101
            wait_until(lambda: stand.source.status().n_viewers == 1)
            stand.put(disc_picture(64))
            assert decode(viewer.receive())[0] == 1, "connections with the token stay open"
        with contextlib.suppress(ConnectionError):
            assert slow[0].recv(10) == b""
        for connection in slow:
            connection.close()


def test_start_when_port_is_taken_then_uses_the_next_and_reports_it(stand):
    with Stand(stand.port) as second:
        assert stand.port < second.port < stand.port + 5
        assert f"port {second.port}" in second.notices.current()[0].text
        assert exchange(second.port, request(second.port, f"/?token={TOKEN}")).startswith(b"HTTP/1.1 200 ")


def test_start_when_token_is_short_then_nothing_is_opened():
    stand = Stand(token="a" * 15)
    with pytest.raises(SettingsError):
        stand.source.start()
    assert stand.source.status().state is BrowserState.STOPPED


def test_stop_when_viewers_do_not_close_then_ends_soon_and_can_start_again():
    before = set(threading.enumerate())
    with Stand() as stand:
        port = stand.port
        with Client(port, "/pictures"), Client(port, "/control"):
            wait_until(lambda: stand.source.status().n_viewers == 1)
            stand.source.stop()
            stand.source.stop()
        assert stand.source.status().state is BrowserState.STOPPED
        assert set(threading.enumerate()) <= before
        stand.source.start()
        assert stand.source.status().n_viewers == 0
        assert exchange(stand.port, request(stand.port, f"/?token={TOKEN}")).startswith(b"HTTP/1.1 200 ")


def test_logs_when_served_then_never_hold_the_token(caplog):
    caplog.set_level(logging.DEBUG)
    with Stand() as stand:
        assert TOKEN in stand.source.page_url
        exchange(stand.port, request(stand.port, f"/?token={TOKEN}"))
        exchange(stand.port, request(stand.port, f"/\x01?token={TOKEN}"))
        exchange(stand.port, request(stand.port, f"/?token={TOKEN}", "POST", b"}"))
        with Client(stand.port, "/control") as client:
            client.send("{")
            client.receive()
        assert TOKEN not in str(stand.source.status())
    assert "browser source at" in caplog.text
    assert TOKEN not in caplog.text


def test_show_when_switched_off_then_viewers_get_the_placeholder_once_and_pictures_when_on_again(stand):
    with Client(stand.port, "/pictures") as client:
        wait_until(lambda: stand.source.status().n_viewers == 1)
        stand.put(disc_picture(64))
        assert decode(client.receive())[1].any()
        client.send("shown")
        stand.source.show(is_on=False)
        _, placeholder = decode(client.receive())
        assert placeholder.shape == (64, 64, 4) and not placeholder[:, :, 3].any()
        client.send("shown")
        stand.put(disc_picture(64))
        wait_until(lambda: stand.pictures._item is None)
        stand.source.show(is_on=True)
        stand.put(disc_picture(64))
        index, picture = decode(client.receive())
        assert index == stand.index and picture[:, :, 3].any()


@pytest.mark.parametrize("expect", ["100-continue", "nonsense"])
@pytest.mark.parametrize("path", ["/", "*", "/nothing"])
def test_request_when_it_expects_something_without_token_then_refused_like_any_other(standing, path, expect):
    answer = exchange(standing.port, request(standing.port, path, Expect=expect))
    assert bare(answer).startswith(b"HTTP/1.1 404 ") and answer.count(b"HTTP/1.") == 1
    assert answer.endswith(site.REFUSAL_TEXT.encode())


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("POST", "/"), ("HEAD", "/"), ("OPTIONS", "/"), ("GET", "/pictures"), ("GET", "/control"),
     ("PUT", "/control/mute")],
)  # fmt: skip
def test_request_when_token_is_right_but_path_or_method_unknown_then_the_same_404(standing, method, path):
    sent = request(standing.port, f"{path}?token={TOKEN}", method)
    head, _, body = exchange(standing.port, sent).partition(b"\r\n\r\n")
    elsewhere, _, text = exchange(standing.port, request(standing.port, "/elsewhere")).partition(b"\r\n\r\n")
    assert bare(head) == bare(elsewhere) and b"Connection: close" in head
    assert body == (b"" if method == "HEAD" else text)
