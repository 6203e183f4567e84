"""Distillation of small networks from large ones."""
