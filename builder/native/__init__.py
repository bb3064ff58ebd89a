"""Native programs in emulated build steps, which makes them nearly as fast as native ones."""
