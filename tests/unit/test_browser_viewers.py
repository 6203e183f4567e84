import asyncio

from avatar_app.live.browser.viewers import MAX_IN_FLIGHT, Viewer, Viewers


def run(check) -> None:
    asyncio.run(asyncio.wait_for(check(), 60))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Watch:
    """A viewer that appends its pictures to a list."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer, self.received = viewer, []
        self.task = asyncio.ensure_future(viewer.send_all(self.send))

    async def send(self, message: bytes) -> None:
        self.received.append(message)


def test_viewer_when_it_does_not_answer_then_two_are_sent_and_the_newest_waits():
    async def check():
        watch = Watch(Viewer())
        for k in range(10):
            watch.viewer.offer(b"%d" % k)
            await settle()
        assert watch.received == [b"0", b"1"]
        assert len(watch.received) == MAX_IN_FLIGHT
        assert watch.viewer.n_dropped == 7
        assert watch.viewer.note_shown()
        await settle()
        assert watch.received == [b"0", b"1", b"9"]
        watch.task.cancel()

    run(check)


def test_viewer_when_it_acknowledges_a_picture_it_never_got_then_returns_false():
    async def check():
        viewer = Viewer()
        assert not viewer.note_shown()

    run(check)


def test_viewers_when_one_is_slow_then_the_others_get_everything():
    async def check():
        viewers = Viewers(4)
        slow, quick = Watch(viewers.add()), Watch(viewers.add())
        for k in range(20):
            viewers.offer(b"%d" % k)
            await settle()
            quick.viewer.note_shown()
        assert len(quick.received) == 20
        assert len(slow.received) == MAX_IN_FLIGHT
        assert quick.received[0] is slow.received[0]
        assert viewers.n_dropped == 17
        viewers.remove(slow.viewer)
        assert (len(viewers), viewers.n_dropped) == (1, 17)
        for watch in (slow, quick):
            watch.task.cancel()

    run(check)


def test_viewers_when_there_are_many_then_is_full():
    async def check():
        viewers = Viewers(2)
        first = viewers.add()
        assert not viewers.is_full
        viewers.add()
        assert viewers.is_full
        viewers.remove(first)
        assert not viewers.is_full

    run(check)
