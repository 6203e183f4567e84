"""Settings, commands, keys, the control API, the tray icon and device changes."""
