"""`kinbridge check`: every declaration held against the others, each mistake with a code, a file and a line."""
