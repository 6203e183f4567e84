"""Distillation: what a small network learns from a large one."""
