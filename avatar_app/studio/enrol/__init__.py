"""Enrolment: from pictures and clips to an avatar folder."""
