"""The host itself: memory, disks, clock, packages, units."""
