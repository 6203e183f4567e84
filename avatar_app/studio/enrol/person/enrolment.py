"""Makes an avatar of a person from videos, step by step. A run that was killed continues with what is finished."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from avatar_app.contracts.enrol_progress import EnrolFinished
from avatar_app.settings.paths import ProfilePaths
from avatar_app.studio.enrol.person.enrol_input import EnrolInput
from avatar_app.studio.enrol.person.finished import Networks, compare, make_head, publish
from avatar_app.studio.enrol.person.learned import Published, learn_encoder, learn_renderer, measure_mouth
from avatar_app.studio.enrol.person.person_mask import PersonFinder, PersonFinderProcess
from avatar_app.studio.enrol.person.progress import Progress, Report
from avatar_app.studio.enrol.person.recorded import record
from avatar_app.studio.enrol.person.steps import Steps, steps_of
from avatar_app.studio.enrol.person.tracking import OpenTracker, open_recording_tracker
from avatar_app.studio.enrol.person.workspace import Workspace


@dataclass(frozen=True)
class Tools:
    """The processes with models of faces and people.

    Attributes:
        open_tracker: starts a face tracker.
        open_finder: starts the model that separates a person from the background.
    """

    open_tracker: OpenTracker = open_recording_tracker
    open_finder: Callable[[], AbstractContextManager[PersonFinder]] = PersonFinderProcess


def enrol(
    workspace: Workspace,
    wanted: EnrolInput,
    paths: ProfilePaths,
    report_to: Callable[[Report], None],
    tools: Tools | None = None,
) -> EnrolFinished:
    """Make the avatar and its model.

    Args:
        workspace: folder of the enrolment; its name is the avatar's id.
        wanted: what is made, from which videos.
        paths: the user's folders.
        report_to: receives the progress.
        tools: of this machine.

    Raises:
        UserError: the videos cannot be used, or a file cannot be written. Finished steps are kept.
    """
    tools = tools or Tools()
    avatar_id = workspace.root.name
    with workspace.lock():
        wanted = workspace.open_input(wanted)
        steps = Steps(workspace, Progress(steps_of(wanted.quality), report_to))
        recorded = record(steps, wanted, tools.open_tracker)
        published = Published.unpacked(workspace.root / "published")
        clips = measure_mouth(steps, recorded, published, wanted.text)
        renderer = learn_renderer(steps, clips, published, wanted.quality)
        encoder = learn_encoder(steps, clips, published, wanted)
        needs_finder = not wanted.keep_background and not workspace.is_finished("idle")
        with tools.open_finder() if needs_finder else nullcontext() as find_person:
            avatar = make_head(steps, recorded, wanted, avatar_id, find_person)
        publish(steps, clips, Networks(encoder, renderer), avatar, wanted, paths)
        comparison, report = compare(steps, recorded, clips, avatar_id, paths)
    return EnrolFinished(avatar_id, avatar_id, str(report), str(comparison))
