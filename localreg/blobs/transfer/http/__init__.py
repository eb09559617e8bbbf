"""Download over http and https, with requests."""
