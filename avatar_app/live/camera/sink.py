"""The virtual camera as a sink."""

from __future__ import annotations

from contextlib import ExitStack

from avatar_app.contracts.handoff import Fan, Mailboxes
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.sink import Sink, SinkContext
from avatar_app.live.camera.camera import VirtualCamera
from avatar_app.live.camera.layout import layout_of
from avatar_app.live.camera.status import CameraStatus
from avatar_app.settings.schema import BackgroundKind, Settings


class CameraSink(Sink[Settings]):
    """Sends the pictures to a virtual camera. Thread: see `Sink`."""

    name = "camera"
    title = "The virtual camera"
    fields = ("is_camera_on", "camera_size", "camera_device", "background", "background_colour")

    def __init__(self, context: SinkContext[Settings]) -> None:
        self._context = context
        self._camera: VirtualCamera | None = None
        self._running = ExitStack()

    def is_on(self, settings: Settings) -> bool:
        """See `Sink`."""
        return settings.is_camera_on

    def start(self, settings: Settings, pictures: Mailboxes[Picture], voice: Fan[VoiceBlock]) -> None:
        """See `Sink`.

        Raises:
            MissingExtraError: the camera extra is not installed.
        """
        del voice
        colour = settings.background_colour if settings.background == BackgroundKind.COLOUR else ""
        layout = layout_of(
            settings.camera_size, colour=colour, keeps_alpha=settings.background == BackgroundKind.CHECKER
        )
        with ExitStack() as stack:
            mailbox = pictures.add()
            stack.callback(pictures.remove, mailbox)
            clock, notices = self._context.clock, self._context.notices
            camera = VirtualCamera(mailbox, layout, clock, notices, settings.camera_device)
            camera.start()
            stack.callback(camera.stop)
            self._camera, self._running = camera, stack.pop_all()

    def stop(self) -> None:
        """See `Sink`."""
        self._camera = None
        self._running.close()

    def status(self) -> CameraStatus | None:
        """See `Sink`."""
        camera = self._camera
        return camera.status() if camera is not None else None
