from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.notices import Level, Notice, NoticeBoard


def test_notice_when_key_repeats_then_replaces_the_older_one():
    board = NoticeBoard()
    board.post(Notice("a", Level.INFO, "one"))
    board.post(Notice("a", Level.ERROR, "two"))
    assert [n.text for n in board.current()] == ["two"]


def test_listener_when_same_notice_comes_again_then_called_once():
    seen = []
    board = NoticeBoard(seen.append)
    for _ in range(3):
        board.post(Notice("a", Level.INFO, "one"))
    assert len(seen) == 1


def test_notice_when_cleared_then_gone_and_unknown_key_is_fine():
    board = NoticeBoard()
    board.post(Notice.from_error("a", AvatarError("Broken.", "Mend it.")))
    board.clear("a")
    board.clear("never")
    assert board.current() == ()
