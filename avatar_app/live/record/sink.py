"""Recordings and snapshots as a sink."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.handoff import Fan, Mailboxes
from avatar_app.contracts.input_file import reason
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.sink import Sink, SinkContext
from avatar_app.live.record.folder import videos_folder
from avatar_app.live.record.formats import RecordFormat, RecordOptions
from avatar_app.live.record.notices import no_picture
from avatar_app.live.record.recorder import VOICE_BLOCKS, Recorder
from avatar_app.live.record.recovery import Recovery
from avatar_app.live.record.snapshots import Snapshots
from avatar_app.live.record.status import RecordStatus
from avatar_app.settings.paths import user_path
from avatar_app.settings.schema import Settings


class RecordSink(Sink[Settings]):
    """Records on command while the program runs; repairs unfinished recordings of a crash at the first start.

    Thread: see `Sink`; the commands by the owner.
    """

    name = "record"
    title = "The recording"
    # A recording reads the settings when it begins.
    fields = ()

    def __init__(self, context: SinkContext[Settings]) -> None:
        self._context = context
        self._recorder = Recorder(context.clock, context.notices)
        self._recovery: Recovery | None = None
        self._snapshots: Snapshots | None = None
        self._inputs: tuple[Mailboxes[Picture], Fan[VoiceBlock]] | None = None
        self._recorded = ExitStack()

    def is_on(self, settings: Settings) -> bool:
        """Always: the user begins and ends recordings by command."""
        del settings
        return True

    def start(self, settings: Settings, pictures: Mailboxes[Picture], voice: Fan[VoiceBlock]) -> None:
        """See `Sink`."""
        clock, notices = self._context.clock, self._context.notices
        if self._recovery is None:
            # At the first start alone: recordings of this run are saved by their own threads.
            self._recovery = Recovery((_folder(settings), videos_folder()), clock, notices)
            self._recovery.start()
        if self._snapshots is None:
            self._snapshots = Snapshots(pictures, clock, notices)
        self._snapshots.start()
        self._inputs = pictures, voice

    def stop(self) -> None:
        """See `Sink`: recordings and snapshots are finished in the background, with all sound captured until now."""
        self.stop_recording()
        self._inputs = None
        if self._snapshots is not None:
            self._snapshots.request_stop()

    def close(self) -> None:
        """Wait until all recordings and snapshots are saved."""
        if self._snapshots is not None:
            self._snapshots.stop()
        self._recorder.stop()
        self._recorded.close()
        if self._recovery is not None:
            self._recovery.stop()

    def status(self) -> RecordStatus:
        """The last recording's status; it stays after the end."""
        status = self._recorder.status()
        if not status.is_active:
            # It may have ended by itself, for example on a full disk.
            self._recorded.close()
        return status

    def start_recording(self) -> None:
        """Begin a recording; does nothing while one runs.

        Raises:
            OutputError: the folder cannot be used, or the program is stopped.
        """
        if self.status().is_active:
            return
        if self._inputs is None:
            raise OutputError("The avatar is stopped, so there is nothing to record.", "Press Start first.")
        settings = self._context.settings()
        options = RecordOptions(
            folder=recording_folder(settings),
            fps=settings.fps,
            format=RecordFormat(settings.record_format),
            background_colour=settings.background_colour,
            title="Avatar",
        )
        pictures, voice = self._inputs
        with ExitStack() as stack:
            mailbox, ring = pictures.add(), voice.add(VOICE_BLOCKS)
            stack.callback(pictures.remove, mailbox)
            stack.callback(voice.remove, ring)
            self._recorder.start(options, mailbox, ring)
            self._recorded = stack.pop_all()

    def stop_recording(self) -> None:
        """Request the end of the recording; all sound captured until now will be in it."""
        self._recorder.finish()

    def take_snapshot(self) -> None:
        """Write the next picture as PNG in the background; a notice reports the file, or the failure.

        Raises:
            OutputError: the program is stopped.
        """
        if self._snapshots is None:
            raise no_picture()
        self._snapshots.request(lambda: recording_folder(self._context.settings()))


def recording_folder(settings: Settings) -> Path:
    """The folder of recordings and snapshots; created when missing.

    Raises:
        OutputError: it cannot be created.
    """
    folder = _folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        text = f"The folder {shown(str(folder))} cannot be created: {reason(error)}."
        raise OutputError(text, "Choose another folder.") from error
    return folder


def _folder(settings: Settings) -> Path:
    return user_path(settings.record_folder).absolute() if settings.record_folder else videos_folder()
