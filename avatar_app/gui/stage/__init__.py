"""The picture of the avatar, its overlays, and the bar below it."""
