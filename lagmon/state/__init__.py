"""What a restart and a reload must not forget, and the file that it is kept in."""
