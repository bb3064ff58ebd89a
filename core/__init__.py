"""What all other packages use: configuration, errors, files, processes, registries, archives."""
