"""What acts beside the controls: settings, keys, the control API, the tray icon, device changes."""
