"""Every network of the registry at full width and its published input: builds, runs, exports and agrees."""
