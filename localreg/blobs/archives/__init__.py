"""Archives: pack folders, check members, unpack packages safely."""
