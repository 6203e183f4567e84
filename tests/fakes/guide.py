"""The pages that users and contributors read, and what stands in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from avatar_app.settings.paths import repo_root

REPO = repo_root()
PACKAGING = REPO / "packaging"
GUIDE = (
    REPO / "README.md",
    PACKAGING / "CONTRIBUTING.md",
    PACKAGING / "interfaces.md",
    *sorted((PACKAGING / "guide").glob("*.md")),
)
PAGES = (*GUIDE, *sorted((PACKAGING / "decisions").glob("*.md")))

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)]+)\)")
LABEL = re.compile(r"(?<![*\w])\*([^*\n]+)\*(?!\*)")
SHELL = ("", "sh")


@dataclass(frozen=True)
class Command:
    """A command of a page, in words."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def blocks(text: str) -> list[str]:
    """The fenced blocks that hold commands."""
    return [content for language, content in FENCE.findall(text) if language in SHELL]


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return FENCE.sub("", text)


def spans(text: str) -> list[str]:
    """Inline code of the text; a span may go over a line's end."""
    return [" ".join(span.split()) for span in CODE.findall(prose(text))]


def labels(text: str) -> list[str]:
    """What stands in italics: labels of the window."""
    return LABEL.findall(CODE.sub("", prose(text)))


def links(text: str) -> list[str]:
    """Targets of links and pictures."""
    return LINK.findall(CODE.sub("", prose(text)))


def anchors(text: str) -> set[str]:
    """What links may name of a page: its headings as the hosting site writes them."""
    heads = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.replace("`", "").lower()).replace(" ", "-") for head in heads}


def commands(page: Path, starts: tuple[str, ...]) -> list[Command]:
    """Lines of blocks and inline code that begin with one of these words."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(text) for line in _lines(block)]
    found = [_words(line) for line in (*lines, *spans(text))]
    return [Command(page.name, words) for words in found if words and _first(words) in starts]


def block_commands(page: Path) -> list[Command]:
    """Every command of the blocks for a shell."""
    text = page.read_text(encoding="utf-8")
    return [Command(page.name, words) for block in blocks(text) for line in _lines(block) if (words := _words(line))]


def _first(words: tuple[str, ...]) -> str:
    """The program, after variables that are set for it."""
    return next((word for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)), "")


def _lines(block: str) -> list[str]:
    """Commands without what explains them: a comment, or what stands behind three spaces."""
    lines = []
    for line in block.splitlines():
        command = re.split(r" {3,}|\s#\s", line.rstrip(), maxsplit=0 if line[:1] == " " else 1)
        if line.startswith(" ") and lines:
            lines[-1] += " " + " ".join(part for part in command if part.startswith("-"))
        elif line.strip():
            lines.append(command[0])
    return lines


def _words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        return ()
