"""How a guest image was made, signed."""
