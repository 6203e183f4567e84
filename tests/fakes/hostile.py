"""What hostile files hold, for property tests. AVATAR_APP_FUZZ sets how many cases; a hundred without it."""

import copy
import json
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

N_CASES = int(os.environ.get("AVATAR_APP_FUZZ", "100"))
# The same cases each time: a failure is found again on any machine, and no machine is too slow for one.
FUZZ = settings(
    max_examples=N_CASES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 10**18, 10**400, 1e308, -1e308, 1e-320, 0.5)
NUMBERS += (float("nan"), float("inf"), -float("inf"))
TEXTS = ("", "\0", "../../x", "/dev/zero", "C:\\x", "~nosuchuser", "\ud800", "a" * 5000, "%s", "\n", "CON", ".")
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from(NUMBERS), st.floats(), st.text(max_size=20),
    st.sampled_from(TEXTS),
)  # fmt: skip
values = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=8), inner, max_size=5)),
    max_leaves=12,
)
raw = st.one_of(
    st.binary(max_size=300),
    st.sampled_from((
        b"", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"[" * 1500 + b"]" * 1500, b'{"id":' * 1500 + b"1" + b"}" * 1500,
        b"[" * 200_000, b"{" * 200_000, b'{"a": 1' + b"0" * 100_000 + b"}", b'{"a": 1e999999}', b'{"a": -Infinity}',
        b'{"a": 0.' + b"1" * 50_000 + b"}", b'{"a": "' + b"\\ud800" * 1000 + b'"}', b"null", b"1", b'"id"', b"{}" * 99,
    )),
)  # fmt: skip


@st.composite
def changed(draw, good):
    """A good JSON object with up to four values lost, replaced, or put elsewhere, as bytes."""
    data = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 4))):
        nest, key = draw(st.sampled_from(_places(data)))
        what = draw(st.integers(0, 3))
        if what == 0:
            del nest[key]
        elif what == 1:
            nest[key] = draw(values)
        elif what == 2:
            nest[key] = draw(plain)
        else:
            nest[key] = copy.deepcopy(draw(st.sampled_from(_places(data)))[0])
        if not _places(data):
            break
    return json.dumps(data).encode()


@st.composite
def bitten(draw, good: bytes):
    """Good bytes with some changed, cut out or put in."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, min(len(content) - 1, 400))) | st.integers(0, max(0, len(content) - 1)))
        piece = draw(st.binary(max_size=6))
        content[at : at + draw(st.integers(0, 8))] = piece
    return bytes(content[: draw(st.integers(0, len(content))) if draw(st.integers(0, 4)) == 0 else len(content)])


def hostile(good):
    """JSON files that are wrong in their bytes, in their shape, or in a few values."""
    anything = values.map(lambda value: json.dumps(value).encode())
    return st.one_of(raw, anything, changed(good), bitten(json.dumps(good).encode()))


def _places(data):
    """Every value of a nest: where it is, and its key there."""
    found, level = [], [data]
    while level:
        nest = level.pop()
        items = list(nest.items()) if isinstance(nest, dict) else list(enumerate(nest))
        found += [(nest, key) for key, _ in items]
        level += [value for _, value in items if isinstance(value, dict | list)]
    return found


def check_sentence(error):
    """One sentence or two of ordinary length, without the words of our own code."""
    text = str(error)
    assert 0 < len(text) < 2500
    assert not any(word in text for word in ("Error", "object has no", "NoneType", "__", "argument"))
