"""From trained networks to a checked and registered model folder."""
