"""The avatar's picture, and what lies over and below it."""
