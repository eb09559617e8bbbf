"""Facts about weights, read from their headers; nothing is loaded."""
