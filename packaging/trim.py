"""Removes unused parts of the installed Qt: Qt Quick, the designer and developer tools. Linux only.

They are more than half of the package that also contains the widgets. pip can still uninstall the package, because it
ignores missing files. The tests run with the remaining parts.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

# Relative to the folder of PySide6. Stubs (.pyi) stay: they are small, and mypy reads them.
UNUSED = (
    "assistant", "designer", "linguist", "lrelease", "lupdate", "qmlformat", "qmllint", "qmlls", "svgtoqml",
    "doc", "glue", "include", "scripts", "typesystems", "libpyside6qml.*",
    "QtConcurrent.*so", "QtDesigner.*so", "QtHelp.*so", "QtLabs*.*so", "QtOpenGL*.*so", "QtPrintSupport.*so",
    "QtQml*.*so", "QtQuick*.*so", "QtSql.*so", "QtUiTools.*so", "QtXml.*so",
    "Qt/libexec", "Qt/metatypes", "Qt/qml", "Qt/translations",
    "Qt/lib/libQt6Designer*", "Qt/lib/libQt6Help*", "Qt/lib/libQt6Labs*", "Qt/lib/libQt6Lottie*",
    "Qt/lib/libQt6Qml*", "Qt/lib/libQt6Quick*", "Qt/lib/libQt6Sql*", "Qt/lib/libQt6UiTools*",
    "Qt/lib/libQt6VirtualKeyboard*", "Qt/lib/libQt6Wayland*Compositor*",
    "Qt/plugins/designer", "Qt/plugins/qmllint", "Qt/plugins/qmltooling", "Qt/plugins/sqldrivers",
    "Qt/plugins/vectorimageformats", "Qt/plugins/wayland-graphics-integration-server",
    "Qt/plugins/platforminputcontexts/libqtvirtualkeyboardplugin.so",
)  # fmt: skip


def trim_qt(environment: Path) -> None:
    """Remove the files of `UNUSED` from a virtual environment; does nothing on other systems, where it is untested."""
    if not sys.platform.startswith("linux"):
        return
    for qt in environment.glob("lib/python3*/site-packages/PySide6"):
        for pattern in UNUSED:
            for found in qt.glob(pattern):
                if found.is_dir():
                    shutil.rmtree(found)
                else:
                    found.unlink()
