"""An avatar of a person, made from videos of them."""
