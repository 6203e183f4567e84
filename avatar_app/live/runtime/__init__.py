"""Threads, slots and meters: what every part of the live path runs on."""
