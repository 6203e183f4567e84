"""How good a published student is, measured through the live path on clips and voices it never met."""
