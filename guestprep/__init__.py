"""Guest images: inspected, prepared offline, proven by a boot, published to Glance."""
