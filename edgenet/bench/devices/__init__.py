"""Where files are measured, one file a kind of device; `registry` finds them by name."""
