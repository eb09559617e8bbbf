"""Archives: folders packed, members checked, packages unpacked safely."""
