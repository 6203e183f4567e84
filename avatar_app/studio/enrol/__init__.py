"""Enrolment: from pictures, clips or a video to an avatar folder."""
