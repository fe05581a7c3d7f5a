"""What the tests of the whole server share. Nothing in here knows how the server is built."""
