"""The page in real Chromium: the picture, its alpha, its rate, and no answer without the token."""

import http.server
import threading
from urllib.parse import quote

import numpy as np
import pytest

from avatar_app.live.browser.site import REFUSAL_TEXT
from avatar_app.live.frame import load_avatar
from tests.fakes.browser_source import TOKEN, Stand, disc_picture, wait_until
from tests.fakes.chromium import Chromium, find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="this machine has no Chromium")
SIZE_PX = 512


@pytest.fixture(scope="module")
def nova():
    """(512, 512, 4) BGRA of the shipped avatar."""
    return load_avatar("nova").renderer().render(0)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    made = Chromium(tmp_path_factory.mktemp("chromium") / "profile")
    yield made
    made.close()


@pytest.fixture
def tab(chromium):
    made = chromium.new_tab()
    made.call("Emulation.setDeviceMetricsOverride", width=SIZE_PX, height=SIZE_PX, deviceScaleFactor=1, mobile=False)
    yield made
    made.open("about:blank")
    made.close()


@pytest.fixture
def stand():
    with Stand() as made:
        yield made


def n_shown(tab) -> int:
    return tab.value("avatar.nShown") or 0


def show(tab, stand) -> None:
    """Open the page and wait for pictures."""
    tab.open(stand.source.page_url)
    wait_until(lambda: n_shown(tab) > 2)


def test_page_when_open_then_picture_has_its_alpha_and_its_colours(tab, stand, nova):
    stand.feed(nova)
    show(tab, stand)
    shot = tab.screenshot()
    assert shot.shape == (SIZE_PX, SIZE_PX, 4)
    np.testing.assert_array_equal(shot[:, :, 3], nova[:, :, 3])
    assert shot[4, 4].tolist() == [0, 0, 0, 0]
    inside = nova[:, :, 3] == 255
    difference = np.abs(shot[:, :, :3].astype(int) - nova[:, :, :3])[inside]
    assert difference.mean() < 2
    assert np.percentile(difference, 99) < 16


def test_page_when_transparent_pixels_have_a_colour_then_edge_has_no_halo(tab, stand):
    picture = disc_picture(SIZE_PX, colour=(40, 90, 200), hidden=(0, 255, 0))
    stand.feed(picture)
    show(tab, stand)
    shot = tab.screenshot().astype(float)
    seen = shot[:, :, :3] * shot[:, :, 3:] / 255
    wanted = picture[:, :, :3] * (picture[:, :, 3:] / 255.0)
    assert np.abs(seen - wanted).max() < 12


def test_page_when_window_is_wide_then_picture_fills_it_and_keeps_its_shape(tab, stand):
    stand.feed(disc_picture(128))
    tab.call("Emulation.setDeviceMetricsOverride", width=800, height=400, deviceScaleFactor=1, mobile=False)
    show(tab, stand)
    alpha = tab.screenshot()[:, :, 3]
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 127), np.flatnonzero(alpha.max(axis=0) > 127)
    height, width = np.ptp(rows), np.ptp(columns)
    assert abs(height - 0.8 * 400) < 8
    assert abs(height - width) < 4
    assert abs(columns.mean() - 400) < 4


@pytest.mark.parametrize(("width", "height"), [(300, 600), (400, 410), (600, 300)])
def test_page_when_of_any_shape_then_whole_picture_is_at_the_lower_edge(tab, stand, width, height):
    stand.feed(np.full((128, 128, 4), 255, np.uint8))
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    show(tab, stand)
    alpha = tab.screenshot()[:, :, 3]
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 127), np.flatnonzero(alpha.max(axis=0) > 127)
    side = min(width, height)
    assert abs(len(rows) - side) <= 2 and abs(len(columns) - side) <= 2
    assert rows[-1] == height - 1
    assert abs(columns.mean() - (width - 1) / 2) <= 1


# As obs-browser does with what stands in the field "Custom CSS" of the source.
ADD_CSS = """
const obsCSS = document.createElement("style");
obsCSS.appendChild(document.createTextNode(decodeURIComponent("%s")));
document.querySelector("head").appendChild(obsCSS);
"""


def test_page_when_obs_adds_a_style_then_it_mirrors_the_picture_and_can_load_nothing(tab, stand):
    picture = np.zeros((128, 128, 4), np.uint8)
    picture[:, :64] = 255
    stand.feed(picture)
    show(tab, stand)
    assert [tab.screenshot()[256, x, 3] for x in (100, 400)] == [255, 0]
    css = f"canvas {{ transform: scaleX(-1) }} body {{ background-image: url('{stand.source.page_url}&image') }}"
    tab.value(WATCH_LOADS)
    tab.value(ADD_CSS % quote(css))
    wait_until(lambda: [tab.screenshot()[256, x, 3] for x in (100, 400)] == [0, 255])
    wait_until(lambda: tab.value("refused.join()") == "img-src")


WATCH_LOADS = """
globalThis.refused = [];
addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
"""


def test_page_when_shown_then_pictures_come_at_about_the_rate_of_the_source(tab, stand, nova):
    stand.feed(nova, fps=10)
    show(tab, stand)
    first, n_seen = stand.index, n_shown(tab)
    wait_until(lambda: stand.index >= first + 100)
    n_put, n_seen = stand.index - first, n_shown(tab) - n_seen
    # A busy machine drops pictures, and shows none twice.
    assert 0.4 * n_put < n_seen < 1.2 * n_put


def test_page_when_shown_then_is_at_most_two_pictures_behind(tab, stand):
    show_one = disc_picture(128)
    stand.feed(show_one, fps=5)
    show(tab, stand)
    behind = [stand.index - tab.value("avatar.index") for _ in range(20)]
    assert np.median(behind) <= 2


def test_page_when_reloaded_then_pictures_come_again(tab, stand):
    stand.feed(disc_picture())
    show(tab, stand)
    tab.reload()
    wait_until(lambda: n_shown(tab) > 0)
    wait_until(lambda: stand.source.status().n_viewers == 1)
    assert tab.screenshot()[256, 256, 3] == 255


def test_page_when_program_ends_then_placeholder_is_shown_and_pictures_when_it_is_back(tab):
    with Stand() as first:
        port = first.port
        first.feed(disc_picture())
        show(tab, first)
    wait_until(lambda: not tab.screenshot().any())
    assert tab.value("document.body.innerText").strip() == ""
    before = n_shown(tab)
    with Stand(port) as second:
        assert second.port == port
        second.feed(disc_picture())
        wait_until(lambda: n_shown(tab) > before + 2)
        assert tab.screenshot()[256, 256, 3] == 255


def test_page_when_there_are_two_viewers_then_both_get_pictures_encoded_once(tab, chromium, stand):
    stand.feed(disc_picture())
    other = chromium.new_tab()
    show(tab, stand)
    show(other, stand)
    assert stand.source.status().n_viewers == 2
    other.open("about:blank")
    wait_until(lambda: stand.source.status().n_viewers == 1)
    before = n_shown(tab)
    wait_until(lambda: n_shown(tab) > before + 5)
    other.close()


def test_page_when_token_is_wrong_then_no_picture_comes(tab, stand):
    stand.feed(disc_picture())
    tab.open(stand.source.page_url.replace(TOKEN, "wrong-" + TOKEN))
    wait_until(lambda: tab.value("document.body.innerText").strip() == REFUSAL_TEXT)
    assert tab.value("typeof avatar") == "undefined"
    assert stand.source.status().n_viewers == 0


TRY_ALL = """
(async () => {
  const address = "127.0.0.1:%d", query = "?token=%s", got = [];
  for (const path of ["/pictures", "/control"]) {
    got.push(await new Promise((done) => {
      const socket = new WebSocket(`ws://${address}${path}${query}`);
      socket.onopen = () => done("open");
      socket.onerror = () => done("refused");
    }));
  }
  for (const [path, method] of [["/", "GET"], ["/control/state", "POST"]]) {
    got.push(await fetch(`http://${address}${path}${query}`, { method }).then((a) => a.text(), () => "refused"));
  }
  return got.join();
})()
"""


@pytest.fixture
def other_site():
    """Another web server on this machine."""

    class Blank(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Blank)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_page_when_another_site_knows_the_token_then_it_gets_nothing(tab, stand, other_site):
    stand.feed(disc_picture())
    tab.open(other_site)
    wait_until(lambda: tab.value("location.href") == other_site)
    assert tab.value(TRY_ALL % (stand.port, TOKEN)) == "refused,refused,refused,refused"
    assert stand.source.status().n_viewers == 0
    tab.open(stand.source.page_url)
    wait_until(lambda: tab.value("typeof avatar") == "object")
    assert tab.value(TRY_ALL % (stand.port, TOKEN)).startswith("open,open,<!doctype")
