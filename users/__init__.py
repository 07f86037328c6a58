"""Users, the apps they use, their devices, and the device tokens to which pushes go."""
