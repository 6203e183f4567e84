"""Records until it is killed. Arguments: folder, format. Prints the recorded seconds after each tenth."""

import sys
from pathlib import Path

from avatar_app.live.record import RecordFormat
from tests.fakes.recording import FakeLive


def main(folder: str, kind: str) -> None:
    live = FakeLive(Path(folder), format=RecordFormat(kind), size=(128, 128))
    live.start()
    while True:
        live.run(0.1)
        sys.stdout.write(f"{live.second(live.clock.now_ns())}\n")
        sys.stdout.flush()


main(*sys.argv[1:])
