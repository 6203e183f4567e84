import socket

import pytest

from avatar_app.contracts.errors import OutputError, SettingsError
from avatar_app.live.browser.guard import Guard, new_token, page_headers
from avatar_app.live.browser.loopback import N_TRIES, listen

TOKEN = "a" * 20


@pytest.mark.parametrize(
    ("headers", "tokens", "is_allowed"),
    [
        ({"Host": "127.0.0.1:5"}, [TOKEN], True),
        ({"Host": "localhost:5"}, [TOKEN], True),
        ({"Host": "[::1]:5"}, [TOKEN], True),
        ({"Host": "127.0.0.1:5", "Origin": "http://127.0.0.1:5"}, [TOKEN], True),
        ({"Host": "127.0.0.1:5"}, [], False),
        ({"Host": "127.0.0.1:5"}, [""], False),
        ({"Host": "127.0.0.1:5"}, [TOKEN[:-1]], False),
        ({"Host": "127.0.0.1:5"}, [TOKEN, TOKEN], False),
        ({"Host": "127.0.0.1:5"}, ["\udcff" * 20], False),
        ({"Host": "127.0.0.1"}, [TOKEN], False),
        ({"Host": "127.0.0.1:6"}, [TOKEN], False),
        ({"Host": "evil.example:5"}, [TOKEN], False),
        ({"Host": "127.0.0.1.evil.example:5"}, [TOKEN], False),
        ({}, [TOKEN], False),
        ({"Host": "127.0.0.1:5", "Origin": "http://evil.example"}, [TOKEN], False),
        ({"Host": "127.0.0.1:5", "Origin": "http://localhost:5"}, [TOKEN], False),
        ({"Host": "127.0.0.1:5", "Origin": "https://127.0.0.1:5"}, [TOKEN], False),
        ({"Host": "127.0.0.1:5", "Origin": "null"}, [TOKEN], False),
        ({"Host": "127.0.0.1:5", "Origin": ""}, [TOKEN], False),
    ],
    ids=str,
)
def test_guard_when_request_comes_then_allows_only_our_page_with_the_token(headers, tokens, is_allowed):
    assert Guard(TOKEN, 5).allows(headers, tokens) is is_allowed


@pytest.mark.parametrize("token", ["", "short", "a" * 15])
def test_guard_when_token_is_short_then_refuses_to_serve(token):
    with pytest.raises(SettingsError, match="16 characters"):
        Guard(token, 5)


def test_new_token_when_made_then_long_and_unique():
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert min(map(len, tokens)) >= 32


def test_page_headers_when_page_changes_then_policy_follows_and_allows_no_other_script():
    first = page_headers("<style>a</style><script>b</script>", "127.0.0.1:5")["Content-Security-Policy"]
    second = page_headers("<style>a</style><script>c</script>", "127.0.0.1:5")["Content-Security-Policy"]
    assert first != second
    assert "default-src 'none'" in first
    assert "unsafe" not in first.replace("style-src 'unsafe-inline'", "")


def test_listen_when_port_is_taken_then_the_next_is_used():
    port, taken = listen(0)
    try:
        other, sockets = listen(port)
        assert port < other < port + N_TRIES
        assert {made.getsockname()[0] for made in sockets} <= {"127.0.0.1", "::1"}
        for made in sockets:
            made.close()
    finally:
        for made in taken:
            made.close()


def test_listen_when_all_ports_are_taken_then_error_names_them(monkeypatch):
    def refuse(*_):
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("avatar_app.live.browser.loopback._bound", refuse)
    with pytest.raises(OutputError, match=r"from 4000 to 4004: Address already in use") as caught:
        listen(4000)
    assert "another port" in caught.value.what_to_do


def test_listen_when_port_is_free_then_no_other_interface_answers():
    port, sockets = listen(0)
    try:
        for made in sockets:
            assert made.getsockname()[0] in ("127.0.0.1", "::1")
        with socket.socket() as other:
            other.bind(("127.0.0.2", port))  # not ours, so that it can be taken
    finally:
        for made in sockets:
            made.close()
