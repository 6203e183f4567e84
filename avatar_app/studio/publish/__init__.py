"""From trained networks to a model folder that the live path can open."""
