"""`python -m avatar_app`."""

from avatar_app.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
