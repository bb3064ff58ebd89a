"""The guests of a configuration: selecting, preparing and booting them, and their cloud."""
