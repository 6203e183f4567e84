"""`avatar-app studio evaluate`: the quality of a registered student, as JSON."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from avatar_app.contracts.errors import UserError
from avatar_app.live.frame import Avatar
from avatar_app.live.student import load
from avatar_app.studio.evaluate.report import evaluate, load_test_data

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio evaluate`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio evaluate", description=__doc__)
    parser.add_argument("--model", default="", help="a registered model (default: the default one)")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds nova/ and speech/")
    parser.add_argument("--out", type=Path, help="JSON file (default: standard output)")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        student = load(arguments.model, arguments.precision)
        student.set_face(Avatar.load(student.spec.avatar_id).face_input(student.spec.size_px))
        report = evaluate(student, load_test_data(arguments.data))
    except UserError as error:
        log.error("%s", error)
        return 2
    text = json.dumps({"schema": 1, "model": student.spec.id, "engine": student.engine.label, **report}, indent=2)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
