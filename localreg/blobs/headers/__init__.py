"""What is inside weights, read from their headers; nothing is loaded."""
