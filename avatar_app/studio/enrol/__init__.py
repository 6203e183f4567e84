"""From pictures to an avatar folder that the live path can open."""
