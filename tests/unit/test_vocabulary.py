"""Private words of earlier versions stay out of code, texts and guide."""

import re

import pytest

from avatar_app.settings.paths import repo_root

PRIVATE = re.compile(
    r"\b(she|hers?|ears|nobody|whoever|howls?|outlets?|contestants?|lessons?|leaning|films?|scenes?|peace)\b"
    r"|\b(is|are) (looked|given) (for|to)\b|\bnever met\b|\btrue mouths?\b|\bon air\b"
    r"|\bthe network that (hears|draws)\b",
    re.IGNORECASE,
)
# Sentences that a synthesizer speaks, old names of commands, and OBS's own word for a group of sources.
EXEMPT = {"avatar_app/studio/corpus/sentences.py", "avatar_app/studio/renamed.py"}
OBS_SCENE = "OBS shows the scene"


def files():
    root = repo_root()
    found = [*root.glob("avatar_app/**/*.py"), root / "README.md", *root.glob("packaging/guide/*.md")]
    found += [root / "packaging" / "CONTRIBUTING.md", root / "packaging" / "interfaces.md"]
    return sorted(path for path in found if path.relative_to(root).as_posix() not in EXEMPT)


@pytest.mark.parametrize("folder", sorted({path.parent for path in files()}), ids=lambda path: path.name)
def test_words_when_private_then_named(folder):
    hits = []
    for path in (path for path in files() if path.parent == folder):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = PRIVATE.search(line)
            if found and OBS_SCENE not in line:
                hits.append(f"{path.name}:{number}: {found[0]}: {line.strip()}")
    assert not hits
